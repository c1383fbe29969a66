use super::*;

fn asking(name: HeaderName, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
}

#[test]
fn a_client_gets_the_smallest_form_that_it_takes() {
    for (header, encoding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip;q=1.0, *;q=0", Some("gzip")),
        ("br;q=0, gzip; q=0.5", Some("gzip")),
        ("GZIP", Some("gzip")),
        ("*", Some("br")),
        ("identity", None),
        ("br;q=0", None),
        ("br;q=nonsense", None),
        ("", None),
    ] {
        assert_eq!(accepted(&asking(ACCEPT_ENCODING, header)).name(), encoding, "{header}");
    }
    assert_eq!(accepted(&HeaderMap::new()).name(), None);
}

#[test]
fn a_tag_is_known_also_among_others_and_as_a_weak_one() {
    for header in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
        assert!(is_known(&asking(IF_NONE_MATCH, header), b"\"a\""), "{header}");
    }
    for header in ["\"b\"", "a", "\"a-br\"", ""] {
        assert!(!is_known(&asking(IF_NONE_MATCH, header), b"\"a\""), "{header}");
    }
}

#[test]
fn what_is_compressed_says_the_same() {
    let plain = "{\"title\":\"Ä\"}".repeat(500);
    let mut gzip_text = String::new();
    let compressed = gzip(plain.as_bytes()).expect("bytes");
    let mut decoder = flate2::read::GzDecoder::new(&*compressed);
    std::io::Read::read_to_string(&mut decoder, &mut gzip_text).expect("gzip");
    assert_eq!(gzip_text, plain);
    let (compressed, mut text) = (brotli(plain.as_bytes()).expect("bytes"), Vec::new());
    brotli::BrotliDecompress(&mut &*compressed, &mut text).expect("brotli");
    assert_eq!(text, plain.as_bytes());
}
