package pricing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// A Version is prices as they were in force.
type Version struct {
	Rate   Rate   `json:"rate"`
	Markup Markup `json:"markup"`
}

// versionBytes is how much of the hash an ID keeps.
const versionBytes = 12

// ID names a version by the hash of its content: equal prices have equal IDs, on every node and at any time. Of a rate that
// knows no price it is empty.
func (v Version) ID() string {
	if v.Rate.IsZero() {
		return ""
	}
	raw, _ := json.Marshal(v) // texts and numbers: never fails
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:versionBytes])
}
