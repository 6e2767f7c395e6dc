package replay_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"aihigress/internal/llm"
)

var (
	everybody = []string{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}
	chat      = []string{llm.OpenAI}
	items     = []string{llm.Responses}
	messages  = []string{llm.Anthropic}
	contents  = []string{llm.Gemini}
)

// A difference is something of an answer that a caller's dialect cannot say, or says in another way. Apply does to the
// original what becomes of it; with again set it is done to what was read again too, where a stream and a whole answer say
// it in different ways.
type difference struct {
	callers []string
	again   bool
	reason  string
	apply   func(r *llm.Response, c *llm.Candidate, caller string)
}

var differences = []difference{
	// Of whom the answer is.
	{everybody, true, "Reason is the vendor's own word for Finish, which is what callers are told", func(_ *llm.Response, c *llm.Candidate, _ string) {
		c.Reason = ""
	}},
	{items, false, "ids of answers begin with resp_", func(r *llm.Response, _ *llm.Candidate, _ string) {
		if !strings.HasPrefix(r.ID, "resp_") {
			r.ID = "resp_" + r.ID
		}
	}},
	{[]string{llm.OpenAI, llm.Responses}, false, "every answer has a time: the present where the vendor told none", func(r *llm.Response, _ *llm.Candidate, _ string) {
		if r.Created == 0 {
			r.Created = time.Now().Unix()
		}
	}},
	{[]string{llm.Anthropic, llm.Gemini}, false, "the dialect tells no time", func(r *llm.Response, _ *llm.Candidate, _ string) { r.Created = 0 }},
	{[]string{llm.Responses, llm.Anthropic, llm.Gemini}, false, "fingerprints are chat's alone", func(r *llm.Response, _ *llm.Candidate, _ string) { r.Fingerprint = "" }},
	{chat, false, "the usual tier, which others call standard, is default", func(r *llm.Response, _ *llm.Candidate, _ string) {
		if r.ServiceTier == "standard" {
			r.ServiceTier = "default"
		}
	}},
	{contents, false, "the usual tier, which OpenAI calls default, is standard", func(r *llm.Response, _ *llm.Candidate, _ string) {
		if r.ServiceTier == "default" {
			r.ServiceTier = "standard"
		}
	}},
	{items, false, "one of OpenAI's own tiers must be told, and default stands for others", func(r *llm.Response, _ *llm.Candidate, _ string) {
		switch r.ServiceTier {
		case "auto", "flex", "scale", "priority", "fast":
		default:
			r.ServiceTier = "default"
		}
	}},
	{messages, false, "only Anthropic's own tiers can be told, among which OpenAI's default is standard", func(r *llm.Response, _ *llm.Candidate, _ string) {
		switch r.ServiceTier {
		case "standard", "priority", "batch":
		case "default":
			r.ServiceTier = "standard"
		default:
			r.ServiceTier = ""
		}
	}},
	{[]string{llm.Responses, llm.Anthropic}, false, "the dialect has one answer", func(r *llm.Response, _ *llm.Candidate, _ string) {
		r.Candidates = r.Candidates[:1]
	}},

	// Blocks.
	{everybody, false, "what a vendor ran itself is a block of its dialect alone", func(_ *llm.Response, c *llm.Candidate, caller string) {
		c.Blocks = slices.DeleteFunc(c.Blocks, func(b llm.Block) bool { return b.Kind == llm.Opaque && b.Vendor != caller })
	}},
	{everybody, false, "members that a vendor has beside a block are its dialect's alone", func(_ *llm.Response, c *llm.Candidate, caller string) {
		for i := range c.Blocks {
			if b := &c.Blocks[i]; b.Kind != llm.Opaque && b.Vendor != caller {
				b.Vendor, b.Type, b.Raw = "", "", nil
			}
		}
	}},
	{everybody, true, "an empty text says nothing", func(_ *llm.Response, c *llm.Candidate, _ string) {
		c.Blocks = slices.DeleteFunc(c.Blocks, func(b llm.Block) bool { return b.Kind == llm.Text && b.Text == "" && len(b.Citations) == 0 })
	}},
	{[]string{llm.Anthropic, llm.Gemini}, false, "a refusal is a text", func(_ *llm.Response, c *llm.Candidate, _ string) {
		for i := range c.Blocks {
			if b := &c.Blocks[i]; b.Kind == llm.Refusal {
				b.Kind = llm.Text
			}
		}
	}},
	{messages, false, "answers have no pictures: one is a link to itself", func(_ *llm.Response, c *llm.Candidate, _ string) {
		for i := range c.Blocks {
			if m := c.Blocks[i].Media; m != nil && m.Kind == llm.Image {
				c.Blocks[i] = llm.Block{Kind: llm.Text, Text: "![image](" + m.Address("") + ")"}
			}
		}
	}},
	{messages, false, "there are no tools of free text: what one is called with is the one member of an object", func(_ *llm.Response, c *llm.Candidate, _ string) {
		for i := range c.Blocks {
			if b := &c.Blocks[i]; b.Call.Custom {
				input, _ := json.Marshal(map[string]string{"input": b.Call.Input})
				b.Call.Custom, b.Call.Input = false, string(input)
			}
		}
	}},
	{messages, true, "clients take the last block for the answer, so no sealed thinking ends one", func(_ *llm.Response, c *llm.Candidate, _ string) {
		for n := len(c.Blocks); n > 0 && c.Blocks[n-1].Kind == llm.Thinking && c.Blocks[n-1].Text == ""; n-- {
			c.Blocks = c.Blocks[:n-1]
		}
	}},
	{chat, false, "thinking without a state is known to be unsigned", func(_ *llm.Response, c *llm.Candidate, _ string) {
		for i := range c.Blocks {
			if b := &c.Blocks[i]; b.Kind == llm.Thinking && b.State.IsZero() {
				b.State.Origin = llm.OpenAI
			}
		}
	}},
	{contents, false, "ids of calls are read in the letters that every vendor takes", func(_ *llm.Response, c *llm.Candidate, _ string) {
		for i := range c.Blocks {
			c.Blocks[i].Call.ID = strings.NewReplacer(".", "_", ":", "_").Replace(c.Blocks[i].Call.ID)
		}
	}},

	// Citations.
	{everybody, false, "of what a text rests on each dialect has its own form, and others a part of it", func(_ *llm.Response, c *llm.Candidate, caller string) {
		for i := range c.Blocks {
			c.Blocks[i].Citations = citedFor(caller, &c.Blocks[i])
		}
	}},
	{chat, true, "a message has its parts in no order: thinking, one text, one refusal, calls", func(_ *llm.Response, c *llm.Candidate, _ string) {
		joinParts(c, true)
	}},
	{contents, true, "texts without anything between them are one", func(_ *llm.Response, c *llm.Candidate, _ string) { joinParts(c, false) }},

	// Why it ended, and what it took.
	{[]string{llm.OpenAI, llm.Responses, llm.Gemini}, false, "a stop sequence is an end like others", func(_ *llm.Response, c *llm.Candidate, _ string) {
		if c.Finish == llm.FinishStopSequence {
			c.Finish, c.StopSequence = llm.FinishStop, ""
		}
	}},
	{messages, false, "a filter's cut is a refusal", func(_ *llm.Response, c *llm.Candidate, _ string) {
		if c.Finish == llm.FinishFilter {
			c.Finish = llm.FinishRefusal
		}
	}},
	{contents, false, "a refusal is a filter's cut", func(_ *llm.Response, c *llm.Candidate, _ string) {
		if c.Finish == llm.FinishRefusal {
			c.Finish = llm.FinishFilter
		}
	}},
	{contents, false, "what was written to a cache is input like other", func(r *llm.Response, _ *llm.Candidate, _ string) {
		u := &r.Usage
		u.Input, u.CacheWrite5m, u.CacheWrite1h = u.Input+u.CacheWrite5m+u.CacheWrite1h, 0, 0
	}},
	{[]string{llm.Responses, llm.Anthropic}, false, "counts by modality have no place", func(r *llm.Response, _ *llm.Candidate, _ string) {
		u := &r.Usage
		u.AudioInput, u.AudioOutput, u.ImageInput, u.ImageOutput = 0, 0, 0, 0
	}},
	{[]string{llm.OpenAI, llm.Responses, llm.Gemini}, true, "uses of a vendor's own tools are counted by their blocks, if at all", func(r *llm.Response, _ *llm.Candidate, _ string) {
		r.Usage.ToolUses = 0
	}},
}

// citedFor is what of citations a caller can read.
func citedFor(caller string, b *llm.Block) []llm.Citation {
	var all []llm.Citation
	for _, c := range b.Citations {
		if c.Vendor == caller {
			all = append(all, c)
			continue
		}
		c.Vendor, c.Raw = "", nil
		switch caller {
		case llm.OpenAI:
			c.FileID, c.Document = "", 0
			if c.URL == "" {
				continue // only pages can be cited
			}
		case llm.Responses:
			c.Cited, c.Document = "", 0 // no place for the passage
			if c.URL != "" {
				c.FileID = ""
			}
		case llm.Anthropic:
			c.Start, c.End, c.FileID = 0, 0, "" // these are places in the document there, and not in the answer
		case llm.Gemini:
			c.Cited, c.FileID, c.Document = "", "", 0 // sources have an address and a title, and a place
			if c.End == 0 {
				c.End = utf8.RuneCountInString(b.Text)
			}
		}
		all = append(all, c)
	}
	return all
}

// joinParts makes texts that stand side by side one, and in a message without order those that do not.
func joinParts(c *llm.Candidate, ordered bool) {
	if ordered {
		rank := []llm.Kind{llm.Thinking, llm.Text, llm.Refusal, llm.ToolCall, llm.Media}
		slices.SortStableFunc(c.Blocks, func(a, b llm.Block) int { return slices.Index(rank, a.Kind) - slices.Index(rank, b.Kind) })
	}
	var all []llm.Block
	for _, b := range c.Blocks {
		if n := len(all); n > 0 && all[n-1].Kind == b.Kind && (b.Kind == llm.Text || b.Kind == llm.Refusal) {
			last := &all[n-1]
			for _, cite := range b.Citations {
				if cite.End > 0 {
					cite.Start, cite.End = cite.Start+utf8.RuneCountInString(last.Text), cite.End+utf8.RuneCountInString(last.Text)
				}
				last.Citations = append(last.Citations, cite)
			}
			last.Text += b.Text
			continue
		}
		all = append(all, b)
	}
	c.Blocks = all
}

// expected is what a caller's client can read of an answer.
func expected(t *testing.T, r *llm.Response, caller string) *llm.Response {
	want := comparable(t, r)
	for i, d := range differences {
		if !slices.Contains(d.callers, caller) {
			continue
		}
		before := ""
		if !metDifferences[i].Load() {
			before = fmt.Sprint(want)
		}
		for j := 0; j < len(want.Candidates); j++ { // which may become fewer
			d.apply(want, &want.Candidates[j], caller)
		}
		if before != "" && before != fmt.Sprint(want) {
			metDifferences[i].Store(true)
		}
	}
	return want
}

// metDifferences are those that some answer has.
var metDifferences = make([]atomic.Bool, len(differences))

// readAgain is what a caller's client has read of an answer, with the states that it carries unpacked.
func readAgain(t *testing.T, r *llm.Response, caller string) *llm.Response {
	got := comparable(t, r)
	for i := range got.Candidates {
		c := &got.Candidates[i]
		for j := range c.Blocks {
			unpack(t, c.Blocks[:j], &c.Blocks[j])
		}
	}
	for _, d := range differences {
		if d.again && slices.Contains(d.callers, caller) {
			for j := range got.Candidates {
				d.apply(got, &got.Candidates[j], caller)
			}
		}
	}
	return got
}

// unpack takes the states of other vendors out of what carries them. A call carries copies of the thinking before it,
// which must be true ones.
func unpack(t *testing.T, before []llm.Block, b *llm.Block) {
	t.Helper()
	var own llm.State
	id, carried := llm.UncarryID(b.Call.ID)
	packed := b.State.Data
	switch b.State.Origin {
	case llm.Gemini:
		if raw, err := base64.StdEncoding.DecodeString(packed); err == nil {
			packed = string(raw)
		}
	case llm.OpenAI:
		var detail struct{ Signature, Data string }
		_ = json.Unmarshal([]byte(packed), &detail) // one that carries nothing may be anything
		packed = detail.Signature + detail.Data
	}
	list, ok := llm.Uncarry(packed)
	if !ok {
		own = b.State
	}
	for _, c := range append(carried, list...) {
		switch {
		case c.Kind == b.Kind:
			own = c.State
		case !slices.ContainsFunc(before, func(b llm.Block) bool { return b.Kind == llm.Thinking && b.Text == c.Text && b.State == c.State }):
			t.Errorf("a call carries thinking that nobody thought: %+v", c)
		}
	}
	b.Call.ID, b.State = id, own
}

// comparable is a copy of an answer in which what means the same looks the same.
func comparable(t *testing.T, r *llm.Response) *llm.Response {
	t.Helper()
	c := *r
	c.Candidates = slices.Clone(r.Candidates)
	for i := range c.Candidates {
		c.Candidates[i].Blocks = append([]llm.Block(nil), c.Candidates[i].Blocks...)
		for j := range c.Candidates[i].Blocks {
			b := &c.Candidates[i].Blocks[j]
			b.Citations = slices.Clone(b.Citations)
			for k := range b.Citations {
				b.Citations[k].Raw = sameJSON(b.Citations[k].Raw)
			}
			b.Raw = sameJSON(b.Raw)
			if b.Kind == llm.ToolCall && b.Call.Input == "" && !b.Call.Custom {
				b.Call.Input = "{}"
			}
			if b.Kind == llm.ToolCall && !b.Call.Custom {
				b.Call.Input = string(sameJSON([]byte(b.Call.Input)))
			}
		}
	}
	return &c
}

// sameJSON writes JSON in one way.
func sameJSON(raw []byte) []byte {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	raw, _ = json.Marshal(v)
	return raw
}
