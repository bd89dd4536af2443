//! The key that signs a simulation's digests. It is worthless: everybody can read it here.
//!
//! A fixed key, because a simulation gives the same bytes for the same seed. CloudTrail has a key for each region and
//! keeps it to itself; a drill has this one for all.
//!
//! Invariant: nothing but the digests of a simulation is signed with it.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::simulate::deliver::digest::hex;

/// Worthless drill material: an RSA private key of 2,048 bits, PKCS#1, made for this file and used nowhere else.
const DRILL_KEY: &str = "\
    MIIEowIBAAKCAQEAhjKP6A57z044XXoD2C7pLfiTGVW+B7ZsqEVc2HiZ3jdCiI333a3GYv+mrM8V9/oFIDcNqekd\
    VgPooTRHWeQ5XVvOe97/cBPgj8FMXDClhak87Inqb00LBx8ML7lUevx2PWTqFWD408okX00PaUJAqubWBC/4SL/n\
    wYy1MIHPuJwj/Zjb6evEkT+rxBkWEl9T9c78gJBsQnrjOeI+G+Pth54oZfNVjZBKC15+cP0BlnkKxNWfvq7k7qCd\
    qnGrZtIRMwGZoF6AEGZXg5OWBRUr/l5D/L/mRzhJHQfdeQNIsrmky2bWD2AT1//coOBNQB4TXBS/lgqgVTJMFdR/\
    ZFu9OQIDAQABAoIBABFXMkI9sODyThVCIYILWcU/dB6XdkU/3N2HjP5J4zQUNuw3UBqcjGCZgVueLMwMyiHGC2Vz\
    wn8tZR+Dhl7Gv2ThapaWE7LTVrastyXIgXL6ke1MyvbT4UNrzyLRk2mK+upnAlp929leKwIHjqC+12VeC7Sh0Dby\
    WUuo13brp0BG+PbI/wlXO4PMotUgqH/nf+Jc7Rfsu1bsB/GZkijXb7I9ezaeGbkF4Kc78CYORl8ZIRP3a/J2Ikxz\
    vLqXAlbGhavl6+3MzzLCDcGGtfzcN/otqF9SGFIyJhUEDlddvI+f81yOxF8Mg4PtCnX4KAFP3phyCf8wfF6f7Qkz\
    bgjFDWkCgYEAudOd5U0hrdZPvfQTst113mNiIgeUfA7bWJPkBQMENavCvQkXXDT9dv1I4aWIs0IPvTPDkGu93ASk\
    sbNj50JAjbGYW0FONSwI3es0b5nzDbGkmPK6OxvvD+1zIgbsUbuEqS/bnunhy9LwAQxlk5+0ferB6wSJeQ7xPbAd\
    8bD82h0CgYEAuN/QIh4t7TlSq5JG94q0K7W9PEUlQRdz/BTQicSHu8xnhS0GxNkyoNcUKj1U8eQnRqviYApu50Aq\
    9CHd7gw1HkiqzUphHJQBzZX/6TtCIvFtdSPqM2ANhsfMX86HmkkhCBt4zsTaPPFCgs9sePs9xMXXdvxKlkohNFTr\
    6rn5JM0CgYA1JoL+CA6/AxJx2XMc8Nz6y+BQrWxaA4HXlw1cJZ25oDQmD4if9gQdWZrT953e7+FCk6C3GSoH2Ugm\
    D5JengOKw6Y5S7eL29l5aAHqfdUYMJxMpvh/WaEKJDePHv3O7tyl66tci7bqrp25Hwuaqs5cSZ5Hk1eiyZRUuaAG\
    9kGMPQKBgBMjF+hwN1DXHjekbLQzJ3Ne3LfgcHrMcrUlcnDQZzyJbC3c+1ZlJViA6xV0Q9bGR0qJgGVwrwpBGjEr\
    UE3T9aus2gFmMadDquwdGuCJwc7cLvhxP00SJFRPWliQiHjwGPs93MOKnQyx7LCdyBy95Sb5U9R9STtFcSp5n/Is\
    Th4BAoGBAJC25ySQ6pmxo703Ujp+YmwZR15WHec9+l5iB838UD/hBu64kH3yvHmqjR6rL2qCMtuAa0zwKFtGMG11\
    b1UbKo63yUSamNbX93/pF7/8+w5wDt+UUTiWvCQ/rnXjj2sixfMob8ZK5gmf4UOZyOiT0KDL8pKh6FfBIXO/g1z+\
    Q7HF\
";

/// Signs digests.
pub struct Signer {
    pair: KeyPair,
    fingerprint: String,
}

impl Signer {
    /// Returns the signer of every simulation.
    pub fn drill() -> Self {
        let key = STANDARD.decode(DRILL_KEY).expect("the key above is base64");
        let pair = KeyPair::from_der(&key).expect("the key above is an RSA key");
        let whole = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let fingerprint = hex(whole.as_ref()).chars().take(32).collect();
        Self { pair, fingerprint }
    }

    /// Returns what `digestPublicKeyFingerprint` says.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the public key as PEM: PKCS#1, as `ListPublicKeys` gives it.
    pub fn public_key(&self) -> String {
        let text = STANDARD.encode(self.pair.public_key().as_ref());
        let mut pem = "-----BEGIN RSA PUBLIC KEY-----\n".to_owned();
        for (nth, letter) in text.chars().enumerate() {
            if nth > 0 && nth % 64 == 0 {
                pem.push('\n');
            }
            pem.push(letter);
        }
        pem + "\n-----END RSA PUBLIC KEY-----\n"
    }

    /// Returns the signature of `text` in hexadecimal digits: RSASSA-PKCS1-v1_5 with SHA-256, which draws nothing.
    pub fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        self.pair
            .sign_digest(&RSA_PKCS1_SHA256, &hash, &mut signature)
            .expect("the key is long enough for SHA-256");
        hex(&signature)
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::drill()
    }
}
