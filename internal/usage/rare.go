package usage

import (
	"encoding/json"
	"fmt"

	"aihigress/internal/llm"
)

// rareUsage is what few requests use, as a column keeps it.
type rareUsage struct {
	CacheWrite1h int64  `json:"cache_write_1h"` // part of all that was written
	AudioInput   int64  `json:"audio_input"`
	AudioOutput  int64  `json:"audio_output"`
	Images       int64  `json:"images"`
	Seconds      int64  `json:"seconds"`
	Characters   int64  `json:"characters"`
	Tier         string `json:"tier"`
}

// hasRareUsage reports whether there is any.
func hasRareUsage(u *llm.Usage) bool {
	return u.CacheWrite1h|u.AudioInput|u.AudioOutput|u.Images|u.Seconds|u.Characters != 0 || u.Tier != llm.Standard
}

func appendRareUsageJSON(b []byte, u *llm.Usage) []byte {
	w := rowWriter{b: append(b, '{')}
	for _, part := range [...]struct {
		name string
		n    int64
	}{
		{"cache_write_1h", u.CacheWrite1h}, {"audio_input", u.AudioInput}, {"audio_output", u.AudioOutput},
		{"images", u.Images}, {"seconds", u.Seconds}, {"characters", u.Characters},
	} {
		if part.n != 0 {
			w.number(part.name, part.n)
		}
	}
	if u.Tier != llm.Standard {
		w.text("tier", u.Tier.String())
	}
	return append(w.b, '}')
}

// readRareUsage adds to a usage what its row keeps apart.
func readRareUsage(u *llm.Usage, raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var rare rareUsage
	if err := json.Unmarshal(raw, &rare); err != nil {
		return fmt.Errorf("read rare usage: %w", err)
	}
	u.CacheWrite1h = min(rare.CacheWrite1h, u.CacheWrite5m)
	u.CacheWrite5m -= u.CacheWrite1h
	u.AudioInput, u.AudioOutput, u.Images, u.Seconds, u.Characters = rare.AudioInput, rare.AudioOutput, rare.Images, rare.Seconds, rare.Characters
	u.Tier = llm.TierOf(rare.Tier)
	return nil
}
