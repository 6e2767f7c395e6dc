package llm

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json"
)

// MaxUser is how long a User may be for vendors that limit it, in bytes: what OpenAI takes as user and safety_identifier.
const MaxUser = 64

// OneUser is the end user for vendors that have one place for it, and notes where a caller named two.
func (d *Drops) OneUser(r *Request) string {
	if r.User == "" {
		return r.SafetyID
	}
	d.If(r.SafetyID != "" && r.SafetyID != r.User, FieldSafetyID)
	return r.User
}

// ShortUser is a User for those vendors: as it is where it is short enough, else a hash, always the same for the same user.
// Claude Code names its session too, in an object or behind "_session_"; that part is left out, since every session would be
// another user.
func ShortUser(user string) string {
	if len(user) <= MaxUser {
		return user
	}
	var named struct {
		Device  string `json:"device_id"`
		Account string `json:"account_uuid"`
	}
	if json.Unmarshal([]byte(user), &named, jsonLenient) == nil && named.Device+named.Account != "" {
		user = named.Device + " " + named.Account
	} else if before, _, ok := strings.Cut(user, "_session_"); ok && before != "" {
		user = before
	}
	sum := sha256.Sum256([]byte(user))
	return hex.EncodeToString(sum[:])
}
