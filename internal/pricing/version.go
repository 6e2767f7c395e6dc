package pricing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// A Version is prices as they were in force.
type Version struct {
	Rate   Rate   `json:"rate"`
	Markup Markup `json:"markup"`
}

// Charge is what a request cost and was charged that was billed by the version.
func (v Version) Charge(u llm.Usage, began time.Time) (cost, charge money.Amount, priced bool) {
	return v.Rate.Charge(u, v.Markup, began)
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
