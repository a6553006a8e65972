//! The texts of the HDHomeRun web interface and the UPnP description, from facts that the caller fetched. Field types
//! are those of the real devices: numbers where they send numbers, text where they send text.

use serde::Serialize;

use super::{Device, FIRMWARE_NAME, FIRMWARE_VERSION, MODEL_NUMBER};
use crate::guide::{self, GuideChannel};
use crate::media::{AudioCodec, VideoCodec};

const MANUFACTURER: &str = "exstreamd";

/// A channel of the lineup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineupChannel {
    /// Number, `n` or `n.n`; Jellyfin allows no underscore.
    pub number: String,
    /// Name.
    pub name: String,
    /// What its picture is coded in.
    pub video: VideoCodec,
    /// What its sound is coded in.
    pub audio: AudioCodec,
    /// Whether its pictures are 720 lines or more. Jellyfin assumes size and bit rate by it.
    pub hd: bool,
}

impl LineupChannel {
    /// Where its stream is: no query, as Plex appends its own, and the same for ever, as Kodi knows a channel by it.
    fn url(&self, base: &str) -> String {
        format!("{base}/auto/v{}", self.number)
    }
}

/// Whether a channel scan is going on. Ours ends at once, but Plex wants to see one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// None is.
    Idle,
    /// One is.
    Running {
        /// Done so far.
        percent: u8,
        /// Channels found so far.
        found: u32,
    },
}

/// What a tuner is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TunerUse {
    /// Number and name of the channel that it sends.
    pub channel: Option<(String, String)>,
    /// Where to.
    pub target: Option<String>,
    /// How fast, in bits per second.
    pub bits_per_s: u64,
}

/// The text of `GET /discover.json`.
pub fn discover_json(device: &Device, base: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Discover<'a> {
        friendly_name: &'a str,
        manufacturer: &'a str,
        model_number: &'a str,
        firmware_name: &'a str,
        firmware_version: &'a str,
        #[serde(rename = "DeviceID")]
        device_id: String,
        device_auth: &'a str,
        #[serde(rename = "BaseURL")]
        base_url: &'a str,
        #[serde(rename = "LineupURL")]
        lineup_url: String,
        tuner_count: u8,
    }
    json(&Discover {
        friendly_name: &device.friendly_name,
        manufacturer: MANUFACTURER,
        model_number: MODEL_NUMBER,
        firmware_name: FIRMWARE_NAME,
        firmware_version: FIRMWARE_VERSION,
        device_id: device.identity.device_id.to_string(),
        device_auth: device.identity.device_auth.as_str(),
        base_url: base,
        lineup_url: format!("{base}/lineup.json"),
        tuner_count: device.tuner_count,
    })
}

/// The text of `GET /lineup.json`.
pub fn lineup_json(channels: &[LineupChannel], base: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row<'a> {
        guide_number: &'a str,
        guide_name: &'a str,
        video_codec: &'a str,
        audio_codec: &'a str,
        #[serde(rename = "HD")]
        hd: u8,
        #[serde(rename = "URL")]
        url: String,
    }
    let rows = channels.iter().map(|channel| Row {
        guide_number: &channel.number,
        guide_name: &channel.name,
        video_codec: video_name(channel.video),
        audio_codec: audio_name(channel.audio),
        hd: u8::from(channel.hd),
        url: channel.url(base),
    });
    json(&rows.collect::<Vec<_>>())
}

/// The text of `GET /lineup.xml`: the same as `lineup.json`.
pub fn lineup_xml(channels: &[LineupChannel], base: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Lineup>\n");
    for channel in channels {
        out.push_str("<Program>");
        for (name, value) in [
            ("GuideNumber", channel.number.as_str()),
            ("GuideName", &channel.name),
            ("VideoCodec", video_name(channel.video)),
            ("AudioCodec", audio_name(channel.audio)),
            ("HD", if channel.hd { "1" } else { "0" }),
            ("URL", &channel.url(base)),
        ] {
            element(&mut out, name, value);
        }
        out.push_str("</Program>\n");
    }
    out.push_str("</Lineup>\n");
    out
}

/// The text of `GET /lineup.m3u`.
pub fn lineup_m3u(channels: &[GuideChannel], base: &str) -> String {
    guide::m3u::playlist(channels, base, |channel| {
        format!("{base}/auto/v{}", channel.number)
    })
}

/// The text of `GET /lineup_status.json`. A scan is always possible, else Plex imports nothing.
pub fn lineup_status_json(scan: Scan) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Idle {
        scan_in_progress: u8,
        scan_possible: u8,
        source: &'static str,
        source_list: [&'static str; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Running {
        scan_in_progress: u8,
        progress: u8,
        found: u32,
    }
    match scan {
        Scan::Idle => json(&Idle {
            scan_in_progress: 0,
            scan_possible: 1,
            source: "Cable",
            source_list: ["Cable"],
        }),
        Scan::Running { percent, found } => json(&Running {
            scan_in_progress: 1,
            progress: percent.min(100),
            found,
        }),
    }
}

/// The text of `GET /status.json`, one row per tuner.
pub fn status_json(tuners: &[TunerUse]) -> String {
    #[derive(Default, Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row<'a> {
        resource: String,
        // Monitors take a tuner for idle when this is not there.
        #[serde(skip_serializing_if = "Option::is_none")]
        vct_number: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        vct_name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal_strength_percent: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal_quality_percent: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        symbol_quality_percent: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        network_rate: Option<u64>,
        #[serde(rename = "TargetIP", skip_serializing_if = "Option::is_none")]
        target_ip: Option<&'a str>,
    }
    let row = |(at, tuner): (usize, &'_ TunerUse)| {
        let resource = format!("tuner{at}");
        match &tuner.channel {
            None => serde_json::to_value(Row {
                resource,
                ..Row::default()
            }),
            Some((number, name)) => serde_json::to_value(Row {
                resource,
                vct_number: Some(number),
                vct_name: Some(name),
                signal_strength_percent: Some(100),
                signal_quality_percent: Some(100),
                symbol_quality_percent: Some(100),
                network_rate: Some(tuner.bits_per_s),
                target_ip: tuner.target.as_deref(),
            }),
        }
    };
    let rows = tuners.iter().enumerate().map(row);
    json(&rows.filter_map(Result::ok).collect::<Vec<_>>())
}

/// The text of `GET /device.xml`: the UPnP description that SSDP points to (UPnP Device Architecture 1.1 §2.3). It names
/// no services, as we offer none.
pub fn device_xml(device: &Device, base: &str) -> String {
    let id = device.identity.device_id.to_string();
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\">\n\
         <specVersion><major>1</major><minor>0</minor></specVersion>\n",
    );
    element(&mut out, "URLBase", base);
    out.push_str("\n<device>\n");
    // Some parsers insist on this order.
    for (name, value) in [
        ("deviceType", super::ssdp::DEVICE_TYPE),
        ("friendlyName", &device.friendly_name),
        ("manufacturer", MANUFACTURER),
        ("modelDescription", "Linear TV channels from your own media"),
        ("modelName", MODEL_NUMBER),
        ("modelNumber", MODEL_NUMBER),
        ("serialNumber", &id),
        ("UDN", &format!("uuid:{}", device.identity.uuid)),
        ("presentationURL", &format!("{base}/")),
    ] {
        element(&mut out, name, value);
        out.push('\n');
    }
    out.push_str("</device>\n</root>\n");
    out
}

fn video_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "H264",
        VideoCodec::Hevc => "HEVC",
        VideoCodec::Mpeg2 => "MPEG2",
    }
}

fn audio_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "AAC",
        AudioCodec::Ac3 => "AC3",
        AudioCodec::Eac3 => "EAC3",
        AudioCodec::Mp2 | AudioCodec::Mp3 => "MPEG",
    }
}

/// An element with text that is made fit for XML 1.0 §2.2.
fn element(out: &mut String, name: &str, text: &str) {
    let fit: String = text
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}'))
        .collect();
    out.push_str(&format!(
        "<{name}>{}</{name}>",
        quick_xml::escape::escape(&fit)
    ));
}

/// Numbers, text and lists of such always become JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuner::tests::device;
    use serde_json::{Value, json};

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn channel() -> LineupChannel {
        LineupChannel {
            number: "5.1".to_owned(),
            name: "Noir & \"More\"".to_owned(),
            video: VideoCodec::H264,
            audio: AudioCodec::Aac,
            hd: true,
        }
    }

    #[test]
    fn discover_json_has_the_fields_and_types_of_a_real_device() {
        let text = discover_json(&device(), "http://192.168.1.20:8411");
        assert_eq!(
            parsed(&text),
            json!({
                "FriendlyName": "Den", "Manufacturer": "exstreamd",
                "ModelNumber": "HDHR4-2US", "FirmwareName": "hdhomerun4_atsc", "FirmwareVersion": "20260101",
                "DeviceID": "105DEAD3", "DeviceAuth": "abcdefghijklmnopqrstuvwx",
                "BaseURL": "http://192.168.1.20:8411", "LineupURL": "http://192.168.1.20:8411/lineup.json",
                "TunerCount": 2
            })
        );
        assert!(!MODEL_NUMBER.to_ascii_uppercase().contains("HDTC"));
    }

    #[test]
    fn lineups_say_the_same_in_each_form() {
        let base = "http://nas:8411";
        assert_eq!(
            parsed(&lineup_json(&[channel()], base)),
            json!([{
                "GuideNumber": "5.1", "GuideName": "Noir & \"More\"", "VideoCodec": "H264", "AudioCodec": "AAC",
                "HD": 1, "URL": "http://nas:8411/auto/v5.1"
            }])
        );
        assert_eq!(lineup_json(&[], base), "[]");
        let xml = lineup_xml(&[channel()], base);
        assert!(
            xml.contains(
                "<Program><GuideNumber>5.1</GuideNumber><GuideName>Noir &amp; &quot;More&quot;</GuideName>"
            ),
            "{xml}"
        );
        let guide = GuideChannel {
            id: 7,
            number: "5.1".to_owned(),
            name: "Noir".to_owned(),
            group: None,
            logo: None,
        };
        assert!(lineup_m3u(&[guide], base).ends_with("\nhttp://nas:8411/auto/v5.1\n"));
    }

    #[test]
    fn a_scan_is_always_possible_and_its_progress_is_numbers() {
        assert_eq!(
            parsed(&lineup_status_json(Scan::Idle)),
            json!({"ScanInProgress": 0, "ScanPossible": 1, "Source": "Cable", "SourceList": ["Cable"]})
        );
        let running = Scan::Running {
            percent: 40,
            found: 12,
        };
        assert_eq!(
            parsed(&lineup_status_json(running)),
            json!({"ScanInProgress": 1, "Progress": 40, "Found": 12})
        );
    }

    #[test]
    fn an_idle_tuner_has_no_channel_number() {
        let busy = TunerUse {
            channel: Some(("5.1".to_owned(), "Noir".to_owned())),
            target: Some("192.168.1.9".to_owned()),
            bits_per_s: 5_000_000,
        };
        assert_eq!(
            parsed(&status_json(&[TunerUse::default(), busy])),
            json!([
                {"Resource": "tuner0"},
                {"Resource": "tuner1", "VctNumber": "5.1", "VctName": "Noir", "SignalStrengthPercent": 100,
                 "SignalQualityPercent": 100, "SymbolQualityPercent": 100, "NetworkRate": 5_000_000,
                 "TargetIP": "192.168.1.9"}
            ])
        );
    }

    #[test]
    fn the_description_names_our_uuid_and_escapes_our_name() {
        let mut device = device();
        device.friendly_name = "Tom & <Ann>\u{1}".to_owned();
        let text = device_xml(&device, "http://nas:8411");
        for part in [
            "<URLBase>http://nas:8411</URLBase>",
            "<deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>",
            "<friendlyName>Tom &amp; &lt;Ann&gt;</friendlyName>",
            "<serialNumber>105DEAD3</serialNumber>",
            "<UDN>uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c8</UDN>",
            "<presentationURL>http://nas:8411/</presentationURL>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("serviceList"));
    }
}
