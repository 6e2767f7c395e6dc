package openai

import (
	"fmt"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"
)

// candidate is one answer while it is read.
type candidate struct {
	d     *decoder
	index int

	open   int      // the block that is open and no tool call, -1 for none
	kind   llm.Kind // of it
	signed bool     // it has its state
	detail position // the reasoning_details entry that it is of
	calls  []*call
	early  int               // arguments that came before the names of their calls, in bytes
	held   []reasoningDetail // sealed thinking that came while calls were open

	notes                []annotation // that came before the text
	sound                *soundSoFar
	reason, stop         string
	refused, ended, used bool
}

// call is a tool call while it is read.
type call struct {
	key    int // the vendor's index, -1 for none
	id     string
	block  int
	opened bool
	closed bool
	custom bool
	name   string
	early  strings.Builder // arguments that came before the name
	state  llm.State
}

// soundSoFar collects a spoken answer, which is one block.
type soundSoFar struct {
	id               string
	data, transcript strings.Builder
}

// choice takes a piece of the answer.
func (c *candidate) choice(in *choice) error {
	if c.ended {
		return nil
	}
	if err := c.delta(&in.Delta); err != nil {
		return err
	}
	if err := c.delta(&in.Message); err != nil {
		return err
	}
	c.say(llm.Text, in.Text)
	if probs := in.Logprobs.neutral(); len(probs) > 0 {
		c.d.next(llm.Probs, 0, c.index).Logprobs = probs
		c.d.tell()
	}
	if in.FinishReason != "" {
		c.reason = string(in.FinishReason)
	}
	if stop := string(in.StopReason); stop != "" && strings.Trim(stop, "0123456789") != "" { // a number is a token's
		c.stop = stop
	}
	return nil
}

func (c *candidate) delta(in *delta) error {
	c.thinking(in)
	c.content(&in.Content)
	c.say(llm.Refusal, in.Refusal)
	c.cite(in.Annotations)
	for i := range in.Images {
		c.picture(&in.Images[i])
	}
	if in.Audio != nil {
		if err := c.hear(in.Audio); err != nil {
			return err
		}
	}
	for i := range in.ToolCalls {
		if err := c.toolCall(&in.ToolCalls[i]); err != nil {
			return err
		}
	}
	if f := &in.FunctionCall; f.Name != "" || f.Arguments != "" {
		return c.toolCall(&toolCall{Index: position{said: true}, Function: *f})
	}
	return nil
}

// thinking reads reasoning in its three spellings. Details repeat the text of the other two.
func (c *candidate) thinking(in *delta) {
	text := in.ReasoningContent
	if text == "" {
		text = string(in.Reasoning)
	}
	told := false
	for i := range in.ReasoningDetails {
		d := &in.ReasoningDetails[i]
		if d.text() != "" {
			told = true
			if c.open >= 0 && c.kind == llm.Thinking && c.detail.said && d.Index.said && c.detail != d.Index {
				c.close()
			}
			c.say(llm.Thinking, d.text())
			c.detail = d.Index
		}
	}
	if !told {
		c.say(llm.Thinking, text)
	}
	for i := range in.ReasoningDetails {
		if d := &in.ReasoningDetails[i]; d.Signature != "" || d.Data != "" {
			c.sign(d)
		}
	}
}

// sign gives the open thinking its state, or makes a block of sealed thinking.
func (c *candidate) sign(d *reasoningDetail) {
	if c.open >= 0 && c.kind == llm.Thinking && !c.signed && d.Data == "" {
		c.signed = true
		c.seal(d.state())
		c.close()
		return
	}
	if c.calling() {
		c.held = append(c.held, *d)
		return
	}
	c.begin(llm.Thinking, nil)
	c.signed = true
	c.seal(d.state())
	c.close()
}

func (c *candidate) seal(s llm.State) {
	c.d.next(llm.Sign, c.open, c.index).State = s
	c.d.tell()
}

// content reads the text, or the parts that Mistral has instead.
func (c *candidate) content(in *content) {
	c.say(llm.Text, in.text)
	for i := range in.parts {
		p := &in.parts[i]
		switch {
		case p.Type == "image_url":
			c.picture(p)
		case p.Thinking != nil:
			for j := range p.Thinking {
				if t := p.Thinking[j].Text; t != nil {
					c.say(llm.Thinking, *t)
				}
			}
		case p.Text != nil:
			c.say(llm.Text, *p.Text)
		case p.Refusal != nil:
			c.say(llm.Refusal, *p.Refusal)
		}
	}
}

// say adds text to the open block of a kind, or opens one.
func (c *candidate) say(kind llm.Kind, text string) {
	if text == "" || c.calling() && strings.TrimSpace(text) == "" { // some vendors break lines between pieces of a call
		return
	}
	if c.open < 0 || c.kind != kind {
		c.begin(kind, nil)
	}
	c.refused = c.refused || kind == llm.Refusal
	c.d.say(llm.Delta, c.open, c.index, text)
	if kind == llm.Text && len(c.notes) > 0 {
		notes := c.notes
		c.notes = nil
		c.cite(notes)
	}
}

// begin opens a block that is no tool call, once all others are closed.
func (c *candidate) begin(kind llm.Kind, file *llm.Attachment) {
	c.closeAll()
	c.open, c.kind, c.signed, c.detail = c.d.blocks, kind, false, position{}
	c.d.blocks++
	b := &c.d.next(llm.Open, c.open, c.index).Block
	b.Kind, b.Media = kind, file
	c.d.tell()
}

// close ends the open block.
func (c *candidate) close() {
	if c.open < 0 {
		return
	}
	if c.kind == llm.Thinking && !c.signed {
		c.seal(unsigned)
	}
	c.d.say(llm.Close, c.open, c.index, "")
	c.open = -1
}

func (c *candidate) closeAll() {
	c.close()
	for _, one := range c.calls {
		if one.closed {
			continue
		}
		if !one.opened && one.early.Len() > 0 {
			c.openCall(one) // it never got a name, but what it says is not lost
		}
		if one.opened {
			c.d.say(llm.Close, one.block, c.index, "")
		}
		one.closed = true
		c.d.open--
	}
}

// calling reports whether a tool call is open.
func (c *candidate) calling() bool {
	for _, one := range c.calls {
		if !one.closed {
			return true
		}
	}
	return false
}

func (c *candidate) cite(list []annotation) {
	for i := range list {
		if c.open < 0 || c.kind != llm.Text {
			if len(c.notes) < maxCalls {
				c.notes = append(c.notes, list[i])
			}
		} else {
			c.d.next(llm.Cite, c.open, c.index).Citation = list[i].citation()
			c.d.tell()
		}
	}
}

// picture is a whole block at once.
func (c *candidate) picture(p *part) {
	if p.ImageURL == nil {
		return
	}
	a, err := located(llm.Image, p.ImageURL.URL, refusal.Place{}, "")
	if err != nil {
		return // no picture that anybody could show
	}
	c.begin(llm.Media, a)
	c.close()
}

func (c *candidate) hear(in *audioPiece) error {
	if c.sound == nil {
		c.sound = &soundSoFar{}
	}
	if in.ID != "" {
		c.sound.id = in.ID
	}
	c.sound.data.WriteString(in.Data)
	c.sound.transcript.WriteString(in.Transcript)
	if c.sound.data.Len()+c.sound.transcript.Len() > dialect.MaxText {
		return fmt.Errorf("%w: sound: %w", dialect.ErrMalformed, dialect.ErrTooLong)
	}
	return nil
}

// toolCall takes a call or a piece of one.
func (c *candidate) toolCall(in *toolCall) error {
	name, input, custom := "", "", in.Custom != nil
	if custom {
		name, input = in.Custom.Name, in.Custom.Input
	} else {
		name, input = in.Function.Name, string(in.Function.Arguments)
	}
	one := c.callOf(in, name)
	if one == nil {
		switch {
		case len(c.calls) == maxCalls:
			return fmt.Errorf("%w: more than %d tool calls", dialect.ErrMalformed, maxCalls)
		case c.d.open == dialect.MaxOpen:
			return fmt.Errorf("%w: more than %d tool calls at once", dialect.ErrMalformed, dialect.MaxOpen)
		}
		c.close()
		one = &call{key: -1, id: string(in.ID), custom: custom}
		if in.Index.said {
			one.key = int(in.Index.at)
		}
		c.calls = append(c.calls, one)
		c.d.open++
	}
	if one.closed {
		if input == "" {
			return nil
		}
		return fmt.Errorf("%w: arguments of a tool call that had ended", dialect.ErrMalformed)
	}
	if one.id == "" && !one.opened {
		one.id = string(in.ID)
	}
	if !one.opened {
		one.name += name
		one.custom = one.custom || custom
		if s := in.state(); !s.IsZero() {
			one.state = s
		}
		if one.name == "" || one.early.Len() > 0 {
			one.early.WriteString(input)
			c.early += len(input)
			input = ""
		}
		switch {
		case c.early > dialect.MaxText:
			return fmt.Errorf("%w: a tool call without a name: %w", dialect.ErrMalformed, dialect.ErrTooLong)
		case one.name == "":
			return nil
		}
		c.openCall(one)
	}
	if input != "" {
		c.d.say(llm.Delta, one.block, c.index, input)
	}
	return nil
}

// callOf finds the call that a piece belongs to; nil for a new one. Vendors leave out the index, or the id, or give every
// call the index 0, or repeat the id with every piece.
func (c *candidate) callOf(in *toolCall, name string) *call {
	id := string(in.ID)
	var last *call
	for _, one := range c.calls {
		last = one
		if id != "" && one.id == id {
			return one
		}
	}
	if !in.Index.said {
		if id != "" || name != "" {
			return nil
		}
		return last
	}
	for i := len(c.calls) - 1; i >= 0; i-- {
		if one := c.calls[i]; one.key == int(in.Index.at) {
			if id != "" && one.id != "" && name != "" {
				return nil // another id: another call under the same index
			}
			return one
		}
	}
	return nil
}

func (c *candidate) openCall(one *call) {
	c.close()
	if one.id == "" {
		one.id = c.d.madeUpID(c.index, len(c.calls))
	}
	one.opened, one.block = true, c.d.blocks
	c.d.blocks++
	c.used = true
	b := &c.d.next(llm.Open, one.block, c.index).Block
	b.Kind, b.Call, b.State = llm.ToolCall, llm.Call{ID: one.id, Name: one.name, Custom: one.custom}, one.state
	c.d.tell()
	if one.early.Len() > 0 {
		c.d.say(llm.Delta, one.block, c.index, one.early.String())
		c.early -= one.early.Len()
		one.early.Reset()
	}
}

// end closes what is open and tells why the answer ended.
func (c *candidate) end() {
	if c.ended {
		return
	}
	c.ended = true
	c.closeAll()
	for i := range c.held {
		c.sign(&c.held[i])
	}
	if s := c.sound; s != nil {
		c.begin(llm.Media, &llm.Attachment{Kind: llm.Audio, FileID: s.id, Origin: llm.OpenAI, Data: s.data.String(), Text: s.transcript.String()})
		c.close()
	}
	finish := finishOf(c.reason)
	switch {
	case c.used && (finish == llm.FinishStop || c.reason == ""):
		finish = llm.FinishTools // Ollama and others say "stop"
	case c.refused && (finish == llm.FinishStop || c.reason == ""):
		finish = llm.FinishRefusal
	case finish == llm.FinishStop && c.stop != "":
		finish = llm.FinishStopSequence
	case c.reason == "":
		finish = llm.FinishStop
	}
	e := c.d.next(llm.Finished, 0, c.index)
	e.Finish, e.Reason, e.ServiceTier = finish, c.reason, c.d.tier
	if finish == llm.FinishStopSequence {
		e.StopSequence = c.stop
	}
	c.d.tell()
}
