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

// rareUsage writes it where there is any.
func (w *rowWriter) rareUsage(name string, u *llm.Usage) {
	if u.CacheWrite1h|u.AudioInput|u.AudioOutput|u.Images|u.Seconds|u.Characters == 0 && u.Tier == llm.Standard {
		return
	}
	w.name(name)
	w.b = append(w.b, '{')
	w.inRow = false
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
	w.b = append(w.b, '}')
	w.inRow = true
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
