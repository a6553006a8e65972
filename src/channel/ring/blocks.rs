//! Where the bytes of a ring lie: blocks of whole pages that are filled one behind the other and used again
//! once nobody reads them any more, so that a ring takes hardly more than it holds.

use bytes::{Bytes, BytesMut};

use crate::mux::PACKET_BYTES;

/// Whole packets that fill sixteen pages of 4 KB but for what the allocator puts in front (16 bytes).
const BLOCK_BYTES: usize = 348 * PACKET_BYTES;

/// The blocks of one ring.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// What is left of the block that is being filled.
    filling: Option<BytesMut>,
    /// The full ones: each is empty and stands for its memory.
    full: Vec<BytesMut>,
}

impl Blocks {
    /// Stores whole packets and hands them out in as few pieces as blocks allow.
    pub(super) fn store(&mut self, mut packets: &[u8], mut piece: impl FnMut(Bytes)) {
        while !packets.is_empty() {
            let mut block = match self.filling.take() {
                Some(block) => block,
                None => self.next_block(),
            };
            let room = block.capacity() / PACKET_BYTES * PACKET_BYTES;
            let (now, later) = packets.split_at(room.min(packets.len()));
            block.extend_from_slice(now);
            piece(block.split().freeze());
            packets = later;
            if block.capacity() < PACKET_BYTES {
                self.full.push(block);
            } else {
                self.filling = Some(block);
            }
        }
    }

    /// A block that nobody reads any more, or else a new one. Others that nobody reads are freed, wherever they
    /// lie: a client that stands still holds its own block and no other.
    fn next_block(&mut self) -> BytesMut {
        let mut next = None;
        self.full.retain_mut(|block| {
            let unread = block.try_reclaim(BLOCK_BYTES);
            if unread && next.is_none() {
                next = Some(std::mem::take(block));
            }
            !unread
        });
        next.unwrap_or_else(|| BytesMut::with_capacity(BLOCK_BYTES))
    }

    /// Memory taken.
    pub(super) fn bytes(&self) -> usize {
        (self.full.len() + usize::from(self.filling.is_some())) * BLOCK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Stores `packets` packets that begin with `mark` and returns the pieces.
    fn store(blocks: &mut Blocks, packets: usize, mark: u8) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        blocks.store(&vec![mark; packets * PACKET_BYTES], |piece| {
            pieces.push(piece);
        });
        pieces
    }

    #[test]
    fn what_is_stored_comes_out_in_whole_packets() {
        let mut blocks = Blocks::default();
        for packets in [1, 347, 1, 348, 1_000] {
            let pieces = store(&mut blocks, packets, packets as u8);
            let all = pieces.concat();
            assert_eq!(all, vec![packets as u8; packets * PACKET_BYTES]);
            assert!(pieces.iter().all(|p| p.len() % PACKET_BYTES == 0));
            assert!(pieces.len() <= packets.div_ceil(348) + 1);
        }
    }

    #[test]
    fn blocks_that_nobody_reads_are_used_again_and_those_in_use_are_left_alone() {
        let mut blocks = Blocks::default();
        let mut held = VecDeque::new();
        for n in 0..1_000u32 {
            for piece in store(&mut blocks, 100, n as u8) {
                held.push_back((n as u8, piece));
            }
            while held.len() > 20 {
                held.pop_front();
            }
            for (mark, piece) in &held {
                assert!(piece.iter().all(|b| b == mark), "overwritten at {n}");
            }
            let largest = (20 * 100usize).div_ceil(348) + 2;
            assert!(blocks.bytes() <= largest * BLOCK_BYTES, "grows at {n}");
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_its_own_block_and_no_other() {
        let mut blocks = Blocks::default();
        let slow = store(&mut blocks, 348, 1);
        for _ in 0..20 {
            store(&mut blocks, 348, 2);
            assert!(blocks.bytes() <= 2 * BLOCK_BYTES, "{}", blocks.bytes());
        }
        assert!(slow.concat().iter().all(|&b| b == 1));
    }
}
