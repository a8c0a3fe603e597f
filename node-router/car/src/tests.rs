use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest as _};
use proptest::prelude::*;

use crate::*;

/// The CID of a raw block.
fn name(block: &[u8]) -> Cid {
    Cid::new_v1(RAW, Code::Sha2_256.digest(block))
}

/// Roots, and blocks with their CIDs.
type Contents = (Vec<Cid>, Vec<(Cid, Bytes)>);

/// What a file consists of, where it is whole and right.
fn read(pieces: &[&[u8]]) -> Result<Contents, String> {
    let (mut decoder, mut roots, mut blocks) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in pieces {
        decoder.feed(piece);
        while let Some(item) = decoder.next_item().map_err(|error| error.to_string())? {
            match item {
                Item::Roots(found) => roots = found,
                Item::Block(section) => {
                    section.verify().map_err(|error| error.to_string())?;
                    blocks.push((section.cid, section.block));
                }
            }
        }
    }
    decoder.finish()?;
    Ok((roots, blocks))
}

fn section(cid: &Cid, block: &[u8]) -> Vec<u8> {
    [section_head(cid, block.len()), block.to_vec()].concat()
}

fn v1(root: &Cid, blocks: &[&[u8]]) -> Vec<u8> {
    let sections = blocks.iter().flat_map(|block| section(&name(block), block));
    header(&[*root]).into_iter().chain(sections).collect()
}

fn v2(root: &Cid, blocks: &[&[u8]], indexed: bool) -> Vec<u8> {
    let (data, mut index) = (v1(root, blocks), Index::default());
    let mut offset = header(&[*root]).len() as u64;
    for block in blocks {
        index.push(&name(block), offset);
        offset += section_bytes(36, block.len() as u64);
    }
    let index = if indexed { index.into_bytes() } else { Vec::new() };
    [v2_head(data.len() as u64, indexed), data, index].concat()
}

fn refused(file: &[u8], at: u64, why: &str) {
    let error = read(&[file]).unwrap_err();
    assert!(error.starts_with(&format!("at byte {at}: ")) && error.contains(why), "{error}");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        form in 0..3_u8,
    ) {
        let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
        let root = name(b"root");
        let file = match form {
            0 => v1(&root, &blocks),
            other => v2(&root, &blocks, other == 2),
        };
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(file.len() + 1)).collect();
        cuts.extend([0, file.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|pair| &file[pair[0]..pair[1]]).collect();
        let expected: Vec<_> =
            blocks.iter().map(|block| (name(block), Bytes::copy_from_slice(block))).collect();
        prop_assert_eq!(read(&pieces), Ok((vec![root], expected)));
    }

    #[test]
    fn a_changed_or_cut_file_is_never_read_as_other_blocks(at: prop::sample::Index, bit in 0..8_u8, cut: bool) {
        let blocks: [&[u8]; 3] = [b"one", b"two", &[7; 300]];
        let file = v2(&name(b"one"), &blocks, true);
        let mut changed = file.clone();
        if cut {
            changed.truncate(at.index(file.len()));
        } else {
            changed[at.index(file.len())] ^= 1 << bit;
        }
        if let Ok((_, read)) = read(&[&changed]) {
            let expected: Vec<_> = blocks.iter().map(|block| Bytes::copy_from_slice(block)).collect();
            prop_assert_eq!(read.into_iter().map(|(_, block)| block).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn no_input_panics(input: Vec<u8>) {
        exercise(&input);
    }
}

/// The example of the CARv1 specification's reference implementation begins so; version and roots in dag-cbor's order.
#[test]
fn the_header_is_that_of_the_specification() {
    let root = name(b"");
    let bytes = header(&[root]);
    let expected = [
        &[58, 0xa2, 0x65][..],
        b"roots",
        &[0x81, 0xd8, 0x2a, 0x58, 0x25, 0x00],
        &root.to_bytes(),
        &[0x67],
        b"version",
        &[1],
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn the_head_and_the_index_of_a_carv2_are_those_of_the_specification() {
    let (one, two) = (name(b"one"), name(b"two"));
    let head = v2_head(1000, true);
    assert_eq!(head.len() as u64, V2_HEAD_BYTES);
    assert_eq!(head[..12], [0x0a, 0xa1, 0x67, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x02, 0x80]);
    assert_eq!(head[27..], [51_u64, 1000, 1051].map(u64::to_le_bytes).concat());
    let mut index = Index::default();
    index.push(&one, 59);
    index.push(&two, 99);
    let bytes = index.into_bytes();
    assert_eq!(bytes.len() as u64, Index::bytes_for(2));
    let (codec, one_function, sha, one_width, width, length) = (
        [0x81, 0x08],
        [1, 0, 0, 0],
        [0x12, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0],
        [40, 0, 0, 0],
        [80, 0, 0, 0, 0, 0, 0, 0],
    );
    assert_eq!(bytes[..30], [&codec[..], &one_function, &sha, &one_width, &width, &length].concat());
    let mut entries = [(one, 59_u64), (two, 99)].map(|(cid, at)| [cid.hash().digest(), &at.to_le_bytes()].concat());
    entries.sort();
    assert_eq!(bytes[30..], entries.concat());
}

#[test]
fn what_is_no_car_file_is_refused_at_its_beginning() {
    refused(&[0xff; 20], 0, "no length");
    refused(b"\xff\xff\x7fmore", 0, "no CAR file");
    refused(&[vec![100], vec![b'x'; 100]].concat(), 0, "not understood");
    refused(&[0], 0, "not understood");
    let version = |version: u8| [&[0x0a, 0xa1, 0x67][..], b"version", &[version]].concat();
    refused(&version(3), 0, "CAR version 3");
    refused(&version(1), 0, "no roots");
    let many = header(&vec![name(b""); MAX_ROOTS + 1]);
    refused(&many, 0, "65 roots");
    // Deeper nested than anything reads.
    let nested = [vec![0xbb, 0x1f, 0xa1, 0x61, b'x'], vec![0x81; 4000]].concat();
    assert!(read(&[&nested]).is_err());
}

#[test]
fn hostile_sections_are_refused() {
    let root = name(b"x");
    let start = header(&[root]);
    let at = start.len() as u64;
    let with = |section: &[u8]| [start.clone(), section.to_vec()].concat();
    refused(&with(&[0, 0, 0]), at, "empty section");
    refused(&with(&[0xff; 12]), at, "no length");
    // Larger than any memory; and one byte more than a block may have.
    refused(&with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), at, "a section of");
    refused(&with(&section(&root, &vec![0; MAX_BLOCK + 1])), at, "a section of");
    refused(&with(&[4, 9, 9, 9, 9]), at, "no CID");
    refused(&with(&section(&root, b"not x")), at, "not the one");
    // A varint that is longer than it need be.
    refused(&with(&[0x80, 0x80, 0]), at, "no length");
}

#[test]
fn blocks_that_cannot_be_kept_are_refused_with_what_to_do() {
    let start = header(&[name(b"x")]);
    let at = start.len() as u64;
    let with = |cid: Cid| [start.clone(), section(&cid, b"x")].concat();
    let hash = Code::Sha2_256.digest(b"x");
    refused(&with(Cid::new_v0(hash).unwrap()), at, "ipfs add --cid-version=1");
    let identity = cid::multihash::Multihash::wrap(0, b"x").unwrap();
    refused(&with(Cid::new_v1(RAW, identity)), at, "in itself");
    refused(&with(Cid::new_v1(RAW, Code::Sha2_512.digest(b"x"))), at, "sha2-256");
    refused(&with(Cid::new_v1(0x71, hash)), at, "dag-pb");
    refused(&header(&[Cid::new_v0(hash).unwrap()]), 0, "CIDv0");
    assert!(read(&[&with(Cid::new_v1(DAG_PB, hash))]).is_ok());
}

#[test]
fn millions_of_tiny_blocks_are_refused_early() {
    let root = name(b"x");
    let mut decoder = Decoder::default();
    decoder.feed(&header(&[root]));
    let tiny = section(&root, b"x").repeat(1000);
    let refused = (0..1000).find_map(|_| {
        decoder.feed(&tiny);
        loop {
            match decoder.next_item() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    });
    let expected = Reason::TinyBlocks { blocks: FREE_BLOCKS + 1, average: 1 };
    assert_eq!(refused.map(|refused| refused.reason), Some(expected));
}

#[test]
fn a_carv2_whose_header_lies_is_refused() {
    let root = name(b"one");
    let file = v2(&root, &[b"one"], true);
    let data = file.len() as u64 - V2_HEAD_BYTES - Index::bytes_for(1);
    let with = |numbers: [u64; 3]| {
        let mut file = file.clone();
        file[27..51].copy_from_slice(&numbers.map(u64::to_le_bytes).concat());
        file
    };
    assert!(read(&[&with([51, data, 51 + data])]).is_ok());
    refused(&with([51, 0, 0]), 11, "never finished");
    refused(&with([0, data, 0]), 11, "offsets");
    refused(&with([51, u64::MAX, 0]), 11, "offsets");
    refused(&with([u64::MAX, 1, 0]), 11, "offsets");
    refused(&with([51 + MAX_PADDING + 1, data, 0]), 11, "offsets");
    refused(&with([51, data, 60]), 11, "offsets");
    refused(&with([51, data - 1, 0]), 51 + header(&[root]).len() as u64, "past the end");
    refused(&with([51, data, 0]), 51 + data, "follows the end");
    let twice = [v2_head(file.len() as u64, false), file.clone()].concat();
    refused(&twice, 51, "no CARv1");
    let endless = [file.clone(), vec![0; 1000]].concat();
    refused(&endless, 51 + data + 2 * MAX_INDEX_ENTRY, "follows the end");
}

#[test]
fn padding_in_a_carv2_is_passed_over() {
    let root = name(b"one");
    let data = v1(&root, &[b"one"]);
    let mut file = v2_head(data.len() as u64, false);
    file[27..35].copy_from_slice(&100_u64.to_le_bytes());
    file.resize(100, 0);
    file.extend(data);
    assert_eq!(read(&[&file]).unwrap().1.len(), 1);
}

#[test]
fn a_cut_file_is_said_to_be_cut_and_not_refused() {
    let file = v2(&name(b"one"), &[b"one", b"two"], true);
    for cut in [5, 20, 60, 120, 160] {
        let error = read(&[&file[..cut]]).unwrap_err();
        assert!(error.contains(&format!("ends at byte {cut}")), "{error}");
    }
}

/// The corpus that fuzzing starts from.
#[test]
fn the_fuzzing_corpus_is_read_without_a_panic() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/car");
    let mut seeds = 0;
    for seed in std::fs::read_dir(corpus).unwrap() {
        exercise(&std::fs::read(seed.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 10, "{seeds} seeds");
}
