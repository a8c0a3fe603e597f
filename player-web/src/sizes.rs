//! Sizes as people read them.

/// `9.8 GB`: powers of a thousand, as disks are sold, and three figures. Templates pass what they name by reference.
pub(crate) fn bytes(bytes: &u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let bytes = *bytes;
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    for unit in UNITS {
        if tenths < 1_000 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        if tenths < 10_000 {
            return format!("{} {unit}", tenths / 10);
        }
        tenths /= 1_000;
    }
    format!("{} EB", tenths / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_figures() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (123_456, "123 kB"),
            (10_737_418_240, "10.7 GB"),
            (999_999_999_999, "999 GB"),
            (1_000_000_000_000, "1.0 TB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(&size), text);
        }
    }
}
