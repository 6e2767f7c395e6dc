package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/secret"
)

const (
	// Prefix begins every gateway key, so that people and leak scanners know one when they see it.
	Prefix = "sk-hg-"
	// Length is how long every gateway key is: the prefix, 256 random bits and a checksum.
	Length = len(Prefix) + randomLength + sumLength

	randomLength = 43 // base62 digits that hold 256 bits
	sumLength    = 6  // base62 digits that hold 32 bits

	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Mint makes the secret of a new key: 256 random bits as a number in base62, most significant digit first, padded to
// 43 digits with zeros, then the CRC-32 (IEEE) of these 43 characters in the same way, padded to 6. The digits are 0-9,
// A-Z, a-z.
func Mint() secret.Text {
	raw := make([]byte, 32)
	rand.Read(raw)
	return secret.NewText(format(raw))
}

func format(raw []byte) string {
	random := base62(new(big.Int).SetBytes(raw), randomLength)
	sum := base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(random)))), sumLength)
	return Prefix + random + sum
}

func base62(n *big.Int, digits int) string {
	out := make([]byte, digits)
	base, digit := big.NewInt(int64(len(alphabet))), new(big.Int)
	for i := digits - 1; i >= 0; i-- {
		n.QuoRem(n, base, digit)
		out[i] = alphabet[digit.Int64()]
	}
	return string(out)
}

// Parse is the hash under which a key is stored. What is not of the form that Mint makes is refused before anything is
// looked up; the checksum catches typos and cut copies, not forgers. Every refusal is the same Unauthenticated.
func Parse(text string) (hash [32]byte, err error) {
	if len(text) != Length || !strings.HasPrefix(text, Prefix) {
		return hash, errForm()
	}
	random, sum := text[len(Prefix):Length-sumLength], text[Length-sumLength:]
	crc := ^uint32(0)
	for i := range len(random) {
		if !isDigit(random[i]) {
			return hash, errForm()
		}
		crc = crc32.IEEETable[byte(crc)^random[i]] ^ crc>>8
	}
	crc = ^crc
	for i := sumLength - 1; i >= 0; i-- {
		if sum[i] != alphabet[crc%uint32(len(alphabet))] {
			return hash, errForm()
		}
		crc /= uint32(len(alphabet))
	}
	var buf [Length]byte // every request comes through here, so the text is not copied to the heap
	copy(buf[:], text)
	return sha256.Sum256(buf[:]), nil
}

// Hash is what is stored of a key: SHA-256 of the whole text. With 256 random bits a slow hash would add nothing.
func Hash(text string) [32]byte { return sha256.Sum256([]byte(text)) }

func isDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func errForm() error {
	return fault.New(fault.Unauthenticated, "this is not a valid gateway key").WithCode("invalid_api_key")
}

// hint is what stays visible of a key: the first four and the last four characters behind the prefix.
func hint(text string) string {
	return text[:len(Prefix)+4] + "…" + text[Length-4:]
}
