package simulator

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// sealKind tells apart what a seal is for, so that one dialect's is not good for another.
type sealKind byte

const (
	sealThinking  sealKind = iota + 1 // Anthropic's signature of a thinking block
	sealRedacted                      // Anthropic's redacted_thinking
	sealReasoning                     // OpenAI's encrypted_content
	sealThought                       // Gemini's thoughtSignature
)

// sealSize is a seal's length in bytes: what is checked, and padding that makes it as unwieldy as a real one.
const (
	sealSize = 120
)

// seal makes the opaque bytes that vendors give out with thinking: the same for the same text and number. It is no
// cryptography: it tells tests whether what comes back was made here and is whole.
func (s *Server) seal(kind sealKind, text string, number uint64) []byte {
	b := make([]byte, 0, sealSize)
	b = append(b, byte(kind))
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint64(b, xxhash.Sum64String(text))
	b = binary.BigEndian.AppendUint64(b, mix(s.seed, xxhash.Sum64(b)))
	for fill := mix(number); len(b) < sealSize; fill = mix(fill) {
		b = binary.BigEndian.AppendUint64(b, fill)
	}
	return b[:sealSize]
}

// unseal tells whether these bytes were made by seal for the kind, whole, and whether they are of the text.
func (s *Server) unseal(kind sealKind, b []byte, text string) (made, same bool) {
	if len(b) != sealSize || b[0] != byte(kind) {
		return false, false
	}
	again := s.seal(kind, "", binary.BigEndian.Uint64(b[1:]))
	copy(again[9:], b[9:17])
	binary.BigEndian.PutUint64(again[17:], mix(s.seed, xxhash.Sum64(again[:17])))
	return string(again) == string(b), binary.BigEndian.Uint64(b[9:]) == xxhash.Sum64String(text)
}

// encryptedPrefix begins OpenAI's encrypted reasoning, as Fernet tokens do.
const encryptedPrefix = "gAAAAAB"

func (s *Server) encrypt(text string, number uint64) string {
	return encryptedPrefix + base64.URLEncoding.EncodeToString(s.seal(sealReasoning, text, number))
}

// encrypted tells whether a text was made by encrypt.
func (s *Server) encrypted(v string) bool {
	if len(v) < len(encryptedPrefix) || v[:len(encryptedPrefix)] != encryptedPrefix {
		return false
	}
	b, err := base64.URLEncoding.DecodeString(v[len(encryptedPrefix):])
	if err != nil {
		return false
	}
	made, _ := s.unseal(sealReasoning, b, "")
	return made
}

// sign returns a seal in base64, as Anthropic and Google have it.
func (s *Server) sign(kind sealKind, text string, number uint64) string {
	return base64.StdEncoding.EncodeToString(s.seal(kind, text, number))
}

// signed tells whether a text was made by sign, and for this text.
func (s *Server) signed(kind sealKind, v, text string) (made, same bool) {
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return false, false
	}
	return s.unseal(kind, b, text)
}
