// Package id holds the typed identifiers of everything that is stored.
//
// An identifier is a UUIDv7: its order is roughly the order of creation, so that indexes grow at one end. Outside the
// database it is written with the prefix of its noun, as in key_01hv6zcw0mf5t8n4xq9k2j7r3e, so that a person sees what
// it names and one noun's identifier is refused where another's is wanted.
package id

import (
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// encoding is Crockford's alphabet in lower case: 128 bits are 26 characters, and their order is that of the bytes.
var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// A noun names what an identifier is of.
type noun interface{ prefix() string }

// Of is the identifier of one noun. The zero value names nothing.
type Of[N noun] struct{ uuid.UUID }

type (
	userNoun          struct{}
	sessionNoun       struct{}
	keyNoun           struct{}
	providerNoun      struct{}
	providerKeyNoun   struct{}
	providerModelNoun struct{}
	modelNoun         struct{}
	routeNoun         struct{}
	aliasNoun         struct{}
	accountNoun       struct{}
	entryNoun         struct{}
	nodeNoun          struct{}
	requestNoun       struct{}
	auditNoun         struct{}
	notificationNoun  struct{}
	webhookNoun       struct{}
	deliveryNoun      struct{}
	egressPoolNoun    struct{}
	egressProxyNoun   struct{}
	redeemBatchNoun   struct{}
	limitNoun         struct{}
)

func (userNoun) prefix() string          { return "usr" }
func (sessionNoun) prefix() string       { return "ses" }
func (keyNoun) prefix() string           { return "key" }
func (providerNoun) prefix() string      { return "prv" }
func (providerKeyNoun) prefix() string   { return "pky" }
func (providerModelNoun) prefix() string { return "pmd" }
func (modelNoun) prefix() string         { return "mdl" }
func (routeNoun) prefix() string         { return "rte" }
func (aliasNoun) prefix() string         { return "als" }
func (accountNoun) prefix() string       { return "acc" }
func (entryNoun) prefix() string         { return "ent" }
func (nodeNoun) prefix() string          { return "nod" }
func (requestNoun) prefix() string       { return "req" }
func (auditNoun) prefix() string         { return "aud" }
func (notificationNoun) prefix() string  { return "ntf" }
func (webhookNoun) prefix() string       { return "whk" }
func (deliveryNoun) prefix() string      { return "dlv" }
func (egressPoolNoun) prefix() string    { return "egp" }
func (egressProxyNoun) prefix() string   { return "epx" }
func (redeemBatchNoun) prefix() string   { return "rdb" }
func (limitNoun) prefix() string         { return "lim" }

// The identifiers of the product's nouns.
type (
	User          = Of[userNoun]
	Session       = Of[sessionNoun]
	Key           = Of[keyNoun]
	Provider      = Of[providerNoun]
	ProviderKey   = Of[providerKeyNoun]
	ProviderModel = Of[providerModelNoun]
	Model         = Of[modelNoun]
	Route         = Of[routeNoun]
	Alias         = Of[aliasNoun]
	Account       = Of[accountNoun]
	Entry         = Of[entryNoun]
	Node          = Of[nodeNoun]
	Request       = Of[requestNoun]
	Audit         = Of[auditNoun]
	Notification  = Of[notificationNoun]
	Webhook       = Of[webhookNoun]
	Delivery      = Of[deliveryNoun]
	EgressPool    = Of[egressPoolNoun]
	EgressProxy   = Of[egressProxyNoun]
	RedeemBatch   = Of[redeemBatchNoun]
	Limit         = Of[limitNoun]
)

// New makes an identifier that has never been used: New[id.User]().
func New[T ~struct{ uuid.UUID }]() T {
	return T(struct{ uuid.UUID }{uuid.Must(uuid.NewV7())})
}

// IsZero reports whether the identifier names nothing.
func (i Of[N]) IsZero() bool { return i.UUID == uuid.Nil }

// String is the typed form: prefix, underscore, 26 characters.
func (i Of[N]) String() string {
	var n N
	var room [32]byte // for a prefix of up to five letters
	text := append(append(room[:0], n.prefix()...), '_')
	return string(encoding.AppendEncode(text, i.UUID[:]))
}

// MarshalText writes the typed form; the zero identifier is the empty text.
func (i Of[N]) MarshalText() ([]byte, error) {
	if i.IsZero() {
		return nil, nil
	}
	return []byte(i.String()), nil
}

// UnmarshalText reads the typed form, or an empty text as the zero identifier.
func (i *Of[N]) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = Of[N]{}
		return nil
	}
	parsed, err := parse[N](string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// MarshalBinary and UnmarshalBinary hide those of the embedded UUID behind the same 16 bytes.
func (i Of[N]) MarshalBinary() ([]byte, error) { return i.UUID[:], nil }

// Parse reads the typed form of one noun: Parse[id.User]("usr_…").
func Parse[T interface {
	~struct{ uuid.UUID }
	String() string
}](text string) (T, error) {
	var zero T
	prefix, rest, ok := strings.Cut(text, "_")
	want, _, _ := strings.Cut(zero.String(), "_")
	if !ok || prefix != want {
		return zero, fmt.Errorf("not an identifier of the form %s_…", want)
	}
	u, err := decode(rest)
	if err != nil {
		return zero, err
	}
	return T(struct{ uuid.UUID }{u}), nil
}

func parse[N noun](text string) (Of[N], error) { return Parse[Of[N]](text) }

// Prefix is the noun of a typed identifier, or "" where the text has none.
func Prefix(text string) string {
	prefix, _, ok := strings.Cut(text, "_")
	if !ok {
		return ""
	}
	return prefix
}

func decode(text string) (uuid.UUID, error) {
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != 16 || encoding.EncodeToString(raw) != text {
		return uuid.Nil, fmt.Errorf("malformed identifier")
	}
	return uuid.UUID(raw), nil
}

// UUIDValue and ScanUUID let pgx move identifiers in binary.
func (i Of[N]) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: i.UUID, Valid: true}, nil
}

// ScanUUID reads a uuid column; NULL is the zero identifier.
func (i *Of[N]) ScanUUID(v pgtype.UUID) error {
	if !v.Valid {
		*i = Of[N]{}
		return nil
	}
	i.UUID = v.Bytes
	return nil
}
