//! Writing: the parts of a file, each with its length known beforehand.

use cid::Cid;
use serde::Serialize;
use unsigned_varint::encode;

use crate::{FULLY_INDEXED, PRAGMA, V2_HEADER_BYTES};

/// Bytes of a CARv2 before its data.
pub const V2_HEAD_BYTES: u64 = (PRAGMA.len() + V2_HEADER_BYTES) as u64;

/// The header of a CARv1.
#[derive(Debug, Serialize)]
struct Header<'a> {
    roots: &'a [Cid],
    version: u64,
}

/// The header of a CARv1, with its length before it.
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let header = serde_ipld_dagcbor::to_vec(&Header { roots, version: 1 });
    let header = header.expect("CIDs and a number have a form in dag-cbor, and memory takes them");
    let mut bytes = varint(header.len() as u64);
    bytes.extend_from_slice(&header);
    bytes
}

/// What stands before a block: the length of the section, and the CID.
pub fn section_head(cid: &Cid, block: usize) -> Vec<u8> {
    let mut bytes = varint((cid.encoded_len() + block) as u64);
    bytes.extend_from_slice(&cid.to_bytes());
    bytes
}

/// Bytes of a block's section.
pub fn section_bytes(cid: usize, block: u64) -> u64 {
    let length = cid as u64 + block;
    varint(length).len() as u64 + length
}

/// What stands before the data of a CARv2: data without padding, and, where there is one, the index right after it.
pub fn v2_head(data: u64, indexed: bool) -> Vec<u8> {
    let mut characteristics = [0; 16];
    let index = if indexed { V2_HEAD_BYTES + data } else { 0 };
    if indexed {
        characteristics[0] = FULLY_INDEXED;
    }
    let mut bytes = PRAGMA.to_vec();
    bytes.extend_from_slice(&characteristics);
    for number in [V2_HEAD_BYTES, data, index] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

pub(crate) fn varint(number: u64) -> Vec<u8> {
    encode::u64(number, &mut encode::u64_buffer()).to_vec()
}
