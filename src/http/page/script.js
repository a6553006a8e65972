// Looks again every ten seconds and puts in what is new; without JavaScript the page reloads itself instead.
(() => {
  const live = document.getElementById("live"), lost = document.getElementById("lost");
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(8000) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (!answer.ok || !fresh) throw new Error("no page");
      const at = live.contains(document.activeElement) && document.activeElement.id;
      if (fresh.innerHTML !== live.innerHTML) live.innerHTML = fresh.innerHTML;
      if (at) document.getElementById(at)?.focus({ preventScroll: true });
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
  };
  setInterval(look, 10000);
  document.addEventListener("visibilitychange", look);
})();
