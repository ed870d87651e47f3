//! Messages that one browser alone can read (RFC 8291), in the form in which they travel (RFC 8188).

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{aead, hkdf};

use super::{Browser, KEY_BYTES};

/// The most bytes of a message, as it travels: what every push service takes (RFC 8030, 7.2).
const MAX_SEALED: usize = 4096;

const SALT_BYTES: usize = 16;

/// What stands before the text: salt, size of a record, length and key of the sender.
const HEAD_BYTES: usize = SALT_BYTES + 4 + 1 + KEY_BYTES;

/// Says that the last record ends here (RFC 8188, 2).
const END: u8 = 2;

/// Bytes that prove that nobody has changed it.
const TAG_BYTES: usize = 16;

/// The most bytes that a message can say.
pub(crate) const MAX_PLAIN: usize = MAX_SEALED - HEAD_BYTES - 1 - TAG_BYTES;

/// Returns `text` so that only `browser` can read it. At most [`MAX_PLAIN`] bytes of text.
///
/// # Errors
/// If the key of the browser is none, or the system gives no random bytes.
pub(crate) fn seal(browser: &Browser, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let random = SystemRandom::new();
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt)?;
    // A key for this message alone: nobody can read it later, also not with what the server has.
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
    let own_public = own.compute_public_key()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &browser.key);
    agree_ephemeral(own, &theirs, |agreed| {
        seal_with(browser, &Agreed { secret: agreed, public: own_public.as_ref(), salt }, text)
    })?
}

/// What both sides have agreed on for one message.
struct Agreed<'a> {
    secret: &'a [u8],
    /// The public key of the sender.
    public: &'a [u8],
    salt: [u8; SALT_BYTES],
}

fn seal_with(browser: &Browser, agreed: &Agreed<'_>, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
    if text.len() > MAX_PLAIN {
        return Err(Unspecified);
    }
    let info = [b"WebPush: info\0", browser.key.as_slice(), agreed.public];
    let material: [u8; 32] = derived(&browser.secret, agreed.secret, &info)?;
    let key: [u8; 16] = derived(&agreed.salt, &material, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = derived(&agreed.salt, &material, &[b"Content-Encoding: nonce\0"])?;
    let mut record = [text, &[END]].concat();
    // The key and so the nonce is for one record.
    aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key)?)
        .seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::empty(),
            &mut record,
        )?;
    let mut sealed = Vec::with_capacity(HEAD_BYTES + record.len());
    sealed.extend(agreed.salt);
    sealed.extend(u32::try_from(MAX_SEALED).map_err(|_| Unspecified)?.to_be_bytes());
    sealed.push(u8::try_from(agreed.public.len()).map_err(|_| Unspecified)?);
    sealed.extend(agreed.public);
    sealed.extend(record);
    Ok(sealed)
}

/// Returns bytes made of `secret`, for one use (RFC 5869).
fn derived<const N: usize>(
    salt: &[u8],
    secret: &[u8],
    info: &[&[u8]],
) -> Result<[u8; N], Unspecified> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut bytes = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(N))?
        .fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::super::tests::{KEY, SECRET};
    use super::*;

    /// A browser that can read what it is sent, once.
    pub(crate) struct Reader {
        own: EphemeralPrivateKey,
        pub(crate) browser: Browser,
    }

    impl Reader {
        pub(crate) fn new(endpoint: &str) -> Self {
            let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
            let key = URL_SAFE_NO_PAD.encode(own.compute_public_key().unwrap());
            let browser = Browser::read((1, "phone".to_owned()), endpoint, &key, SECRET).unwrap();
            Self { own, browser }
        }

        /// Reads as RFC 8291, section 3.4 says.
        pub(crate) fn open(self, sealed: &[u8]) -> Vec<u8> {
            let (head, record) = sealed.split_at(HEAD_BYTES);
            let salt = &head[..SALT_BYTES];
            let sender = &head[SALT_BYTES + 5..];
            let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
            let Self { own, browser } = self;
            let mut record = record.to_vec();
            agree_ephemeral(own, &theirs, |agreed| {
                let info = [b"WebPush: info\0", browser.key.as_slice(), sender];
                let material: [u8; 32] = derived(&browser.secret, agreed, &info).unwrap();
                let key: [u8; 16] =
                    derived(salt, &material, &[b"Content-Encoding: aes128gcm\0"]).unwrap();
                let nonce: [u8; 12] =
                    derived(salt, &material, &[b"Content-Encoding: nonce\0"]).unwrap();
                let key = aead::UnboundKey::new(&aead::AES_128_GCM, &key).unwrap();
                let nonce = aead::Nonce::assume_unique_for_key(nonce);
                let open = aead::LessSafeKey::new(key);
                let text = open.open_in_place(nonce, aead::Aad::empty(), &mut record).unwrap();
                assert_eq!(text.last(), Some(&END));
                text[..text.len() - 1].to_vec()
            })
            .unwrap()
        }
    }

    #[test]
    fn the_example_of_the_rfc_comes_out_byte_for_byte() {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let endpoint = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV";
        let browser = Browser::read((1, String::new()), endpoint, KEY, SECRET).unwrap();
        let secret = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let public = bytes(
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        );
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let agreed = Agreed { secret: &secret, public: &public, salt };
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = seal_with(&browser, &agreed, text).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3v\
                        CYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXL\
                        WyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), expected);
    }

    #[test]
    fn the_longest_message_is_as_long_as_services_take_and_can_be_read() {
        let reader = Reader::new("https://push.example.net/x");
        let longest = vec![b'x'; MAX_PLAIN];
        let sealed = seal(&reader.browser, &longest).unwrap();
        assert_eq!(sealed.len(), MAX_SEALED);
        assert!(seal(&reader.browser, &vec![b'x'; MAX_PLAIN + 1]).is_err());
        assert_eq!(reader.open(&sealed), longest);
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let reader = Reader::new("https://push.example.net/x");
        let [one, other] = [(); 2].map(|()| seal(&reader.browser, b"text").unwrap());
        assert_ne!(one, other);
        assert_ne!(one[SALT_BYTES + 5..HEAD_BYTES], other[SALT_BYTES + 5..HEAD_BYTES]);
    }
}
