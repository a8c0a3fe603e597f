//! Samples in, CMAF parts and segments out. Pure.
