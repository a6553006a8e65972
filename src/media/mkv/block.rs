//! Blocks: whose frames, when, and where each of them lies (RFC 9559 §10, lacing §10.3).

use super::ebml::{Window, vint};
use crate::error::Result;

/// The most that a block's header can take: sizes of 255 laced frames, each with a few bytes.
const HEADER_BYTES: usize = 16 * 1024;

/// The header of a Block or SimpleBlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// TrackNumber.
    pub(super) track: u64,
    /// Time relative to the cluster's, in units of the segment's timestamp scale.
    pub(super) time: i16,
    /// The key flag; only a SimpleBlock has it.
    pub(super) key: bool,
    lacing: Lacing,
    /// Where the content behind the header begins.
    data: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

/// Where one frame lies in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) bytes: u64,
}

impl Header {
    /// Reads the header of the block whose content begins at `at`; `None` when it cannot be one.
    pub(super) fn read(window: &mut Window, at: u64) -> Result<Option<Self>> {
        let bytes = window.peek(at, 12)?;
        Ok(Self::parse(bytes, at))
    }

    fn parse(bytes: &[u8], at: u64) -> Option<Self> {
        let (track, track_bytes) = vint(bytes)?;
        let &[high, low, flags, ..] = bytes.get(track_bytes..)? else {
            return None;
        };
        Some(Self {
            track: track?,
            time: i16::from_be_bytes([high, low]),
            key: flags & 0x80 != 0,
            lacing: match flags >> 1 & 3 {
                0 => Lacing::None,
                1 => Lacing::Xiph,
                2 => Lacing::Fixed,
                _ => Lacing::Ebml,
            },
            data: at + track_bytes as u64 + 3,
        })
    }

    /// Finds the frames of a block that ends at `end`; `false` when the sizes do not fit it.
    pub(super) fn frames(
        &self,
        window: &mut Window,
        end: u64,
        out: &mut Vec<Place>,
    ) -> Result<bool> {
        out.clear();
        let Some(content) = end.checked_sub(self.data) else {
            return Ok(false);
        };
        if self.lacing == Lacing::None {
            out.push(Place {
                at: self.data,
                bytes: content,
            });
            return Ok(true);
        }
        let len = usize::try_from(content).unwrap_or(HEADER_BYTES);
        let bytes = window.peek(self.data, len.min(HEADER_BYTES))?;
        Ok(self.laced(bytes, content, out).is_some())
    }

    /// `bytes` is the beginning of the `content` bytes behind the header.
    fn laced(&self, bytes: &[u8], content: u64, out: &mut Vec<Place>) -> Option<()> {
        let (last, sizes) = bytes.split_first()?;
        let last = usize::from(*last);
        let mut used = 1;
        match self.lacing {
            Lacing::None => return None,
            Lacing::Fixed => {
                let left = content.checked_sub(1)?;
                let frames = last as u64 + 1;
                if left % frames != 0 {
                    return None;
                }
                out.resize(
                    last,
                    Place {
                        at: 0,
                        bytes: left / frames,
                    },
                );
            }
            Lacing::Xiph => {
                let mut sizes = sizes.iter();
                for _ in 0..last {
                    let mut bytes = 0_u64;
                    loop {
                        let part = *sizes.next()?;
                        used += 1;
                        bytes += u64::from(part);
                        if part != 255 {
                            break;
                        }
                    }
                    out.push(Place { at: 0, bytes });
                }
            }
            Lacing::Ebml => {
                let mut rest = sizes;
                let mut size = 0_i64;
                for n in 0..last {
                    let (value, len) = vint(rest)?;
                    let value = i64::try_from(value?).ok()?;
                    // The first is a size, the others differences around the middle of the range.
                    size = if n == 0 {
                        value
                    } else {
                        size.checked_add(value - ((1_i64 << (7 * len - 1)) - 1))?
                    };
                    used += len;
                    rest = rest.get(len..)?;
                    out.push(Place {
                        at: 0,
                        bytes: u64::try_from(size).ok()?,
                    });
                }
            }
        }
        let mut at = self.data + used as u64;
        let end = self.data + content;
        for place in out.iter_mut() {
            place.at = at;
            at = at.checked_add(place.bytes)?;
        }
        out.push(Place {
            at,
            bytes: end.checked_sub(at)?,
        });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::BytesSource;
    use std::sync::Arc;

    fn frames(block: &[u8]) -> Option<Vec<(u64, u64)>> {
        let mut window = Window::new(Arc::new(BytesSource::new("test.mkv", block.to_vec())));
        let header = Header::read(&mut window, 0).unwrap()?;
        assert_eq!((header.track, header.time), (1, -2));
        let mut out = Vec::new();
        header
            .frames(&mut window, block.len() as u64, &mut out)
            .unwrap()
            .then(|| out.iter().map(|place| (place.at, place.bytes)).collect())
    }

    fn block(flags: u8, rest: &[u8], content: usize) -> Vec<u8> {
        [&[0x81, 0xff, 0xfe, flags], rest, &vec![0xaa; content]].concat()
    }

    #[test]
    fn every_lacing_finds_its_frames() {
        assert_eq!(frames(&block(0x80, &[], 9)), Some(vec![(4, 9)]));
        assert_eq!(
            frames(&block(0x02, &[2, 255, 45, 10], 330)),
            Some(vec![(8, 300), (308, 10), (318, 20)])
        );
        assert_eq!(
            frames(&block(0x04, &[2], 30)),
            Some(vec![(5, 10), (15, 10), (25, 10)])
        );
        // The example of RFC 9559 §10.3.3: 800, 500, 1000.
        assert_eq!(
            frames(&block(0x06, &[2, 0x43, 0x20, 0x5e, 0xd3], 2300)),
            Some(vec![(9, 800), (809, 500), (1309, 1000)])
        );
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert_eq!(frames(&block(0x02, &[2, 255, 45, 10], 200)), None);
        assert_eq!(frames(&block(0x02, &[2, 255], 0)), None);
        assert_eq!(frames(&block(0x04, &[2], 31)), None);
        assert_eq!(frames(&block(0x06, &[2, 0x43, 0x20], 0)), None);
        assert_eq!(frames(&block(0x06, &[2, 0x81, 0x80], 2300)), None);
        assert_eq!(frames(&block(0x02, &[], 0)), None);
    }
}
