package usage

import (
	"encoding/binary"
	"math"
	"strconv"

	"aihigress/internal/id"
)

// A Plan is in brief how a request was routed: the first of those that were to be tried, and of those that were left out.
// Requests with a single way to go have none.
type Plan struct {
	Strategy string    `json:"strategy"`
	Targets  []Planned `json:"targets"`        // at most MaxPlanned
	More     int       `json:"more,omitempty"` // targets that found no room
}

// Planned is one target of a plan. The names are short because each request has some.
type Planned struct {
	ProviderSlug  string         `json:"p"`
	UpstreamModel string         `json:"m"`
	KeyID         id.ProviderKey `json:"k,omitzero"`  // zero where the provider needs none
	Score         *float64       `json:"s,omitempty"` // lower is better; nil where the strategy compares nothing, or nothing is known
	Out           string         `json:"o,omitempty"` // why it was left out, as a code; empty where it was not
}

const (
	// MaxPlanned is how many targets a plan keeps.
	MaxPlanned = 6
	maxPlanned = 48 // bytes of each text
	// usualPlan is what a usual plan takes of a row, in bytes.
	usualPlan = 640
)

// appendPlan appends the strategy, the number of targets, and these. No plan is one byte.
func appendPlan(b []byte, p *Plan) []byte {
	if p == nil {
		return append(b, 0)
	}
	targets := p.Targets[:min(len(p.Targets), MaxPlanned)]
	b = binary.AppendUvarint(b, uint64(len(targets)))
	b = appendText(b, p.Strategy, maxPlanned)
	b = binary.AppendUvarint(b, uint64(min(max(p.More, 0), math.MaxInt32)))
	for i := range targets {
		t := &targets[i]
		b = appendText(b, t.ProviderSlug, maxPlanned)
		b = appendText(b, t.UpstreamModel, maxPlanned)
		b = append(b, t.KeyID.UUID[:]...)
		b = appendText(b, t.Out, maxPlanned)
		score := math.NaN()
		if t.Score != nil {
			score = *t.Score
		}
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(score)))
	}
	return b
}

func (d *decoder) plan() *Plan {
	n := d.count(MaxPlanned)
	if n == 0 {
		return nil
	}
	p := &Plan{Strategy: d.text(maxPlanned), More: d.count(math.MaxInt32), Targets: make([]Planned, n)}
	for i := range p.Targets {
		t := &p.Targets[i]
		t.ProviderSlug, t.UpstreamModel = d.text(maxPlanned), d.text(maxPlanned)
		t.KeyID.UUID = d.uuid()
		t.Out = d.text(maxPlanned)
		if raw := d.take(4); raw != nil {
			// What no price is known of scores as high as can be.
			if score := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))); !math.IsNaN(score) && !math.IsInf(score, 0) {
				t.Score = &score
			}
		}
	}
	return p
}

// appendPlanJSON writes a plan as Plan's tags say, which is how it is read back.
func appendPlanJSON(b []byte, p *Plan) []byte {
	w := rowWriter{b: append(b, '{')}
	w.text("strategy", p.Strategy)
	w.name("targets")
	w.b = append(w.b, '[')
	for i := range p.Targets {
		t := &p.Targets[i]
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.inRow = false
		w.text("p", t.ProviderSlug)
		w.text("m", t.UpstreamModel)
		if !t.KeyID.IsZero() {
			w.typedID("k", t.KeyID.MarshalText)
		}
		if t.Score != nil {
			w.name("s")
			w.b = strconv.AppendFloat(w.b, *t.Score, 'g', 6, 32)
		}
		if t.Out != "" {
			w.text("o", t.Out)
		}
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
	w.inRow = true
	if p.More > 0 {
		w.number("more", int64(p.More))
	}
	return append(w.b, '}')
}
