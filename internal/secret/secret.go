// Package secret keeps secrets: masked wherever they could be printed, and sealed wherever they are stored.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const mask = "[secret]"

// Text is a secret in memory. However it is printed, logged or marshalled, only a mask comes out; Reveal is the one way.
//
// It is a pointer inside, because fmt walks through unexported fields without asking any method, but not through a pointer.
type Text struct{ value *string }

// NewText wraps a secret.
func NewText(value string) Text { return Text{&value} }

// Reveal is the secret itself. Search the code for it to see where secrets go.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.Reveal() == "" }

// Format, LogValue and MarshalText print the mask, whatever the verb.
func (t Text) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, mask) }
func (t Text) String() string               { return mask }
func (t Text) LogValue() slog.Value         { return slog.StringValue(mask) }
func (t Text) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Hint is what a person may see of a secret to tell it from others: its last four characters where it is long enough
// that they give nothing away.
func (t Text) Hint() string {
	value := t.Reveal()
	if len(value) < 12 {
		return "…"
	}
	return "…" + value[len(value)-4:]
}

// ErrOpen says that a sealed secret does not open: another master key, another row, or changed bytes.
var ErrOpen = errors.New("sealed secret does not open")

// A Keyring seals and opens with keys derived from the master key. It is safe for concurrent use.
type Keyring struct {
	master []byte
	id     string
	seal   cipher.AEAD
}

// NewKeyring takes the master key: 32 bytes that are not obviously made by hand.
func NewKeyring(master []byte) (*Keyring, error) {
	if len(master) != 32 {
		return nil, fmt.Errorf("master key has %d bytes, want 32", len(master))
	}
	distinct := map[byte]bool{}
	for _, b := range master {
		distinct[b] = true
	}
	if len(distinct) < 8 {
		return nil, errors.New("master key is too regular to be random")
	}
	k := &Keyring{master: master}
	sum := sha256.Sum256(k.Derive("key id", 32))
	k.id = hex.EncodeToString(sum[:4])
	block, err := aes.NewCipher(k.Derive("seal", 32))
	if err != nil {
		return nil, err
	}
	k.seal, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// ParseMasterKey reads a master key as it stands in the environment: base64 of 32 bytes.
func ParseMasterKey(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return nil, errors.New("not base64 of 32 bytes")
	}
	return raw, nil
}

// NewMasterKey makes a master key.
func NewMasterKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// ID names the master key without telling it. It is stored beside each sealed secret, so that keys can be rotated.
func (k *Keyring) ID() string { return k.id }

// Derive makes a key of its own for one purpose (HKDF-SHA256, RFC 5869).
func (k *Keyring) Derive(purpose string, size int) []byte {
	key, err := hkdf.Key(sha256.New, k.master, nil, "aihigress/"+purpose, size)
	if err != nil {
		panic("secret: " + err.Error()) // only for sizes above 255 hashes, and sizes are fixed in the code
	}
	return key
}

// Seal encrypts a secret (AES-256-GCM) and binds it to where it stands, as in "provider_keys/pky_…": it opens nowhere else.
func (k *Keyring) Seal(t Text, place string) []byte {
	return k.seal.Seal(nil, nil, []byte(t.Reveal()), []byte(place))
}

// Open decrypts what Seal made with the same master key for the same place; anything else is ErrOpen.
func (k *Keyring) Open(sealed []byte, keyID, place string) (Text, error) {
	if keyID != k.id {
		return Text{}, fmt.Errorf("%w: sealed with master key %s, this is %s", ErrOpen, keyID, k.id)
	}
	raw, err := k.seal.Open(nil, nil, sealed, []byte(place))
	if err != nil {
		return Text{}, ErrOpen
	}
	return NewText(string(raw)), nil
}
