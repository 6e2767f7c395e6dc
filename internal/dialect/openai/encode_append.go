package openai

import (
	"github.com/go-json-experiment/json"
)

// appendRequest appends a body. Most of one are its messages, and most of these a role and a text: they are written by hand,
// all else by reflection.
func appendRequest(b []byte, w *request) ([]byte, error) {
	rest := *w
	rest.Model, rest.Messages = "", nil
	others, err := json.Marshal(&rest, jsonOut)
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	if w.Model != "" {
		b = append(appendString(append(b, `"model":`...), w.Model), ',')
	}
	if w.Messages != nil {
		b = append(b, `"messages":[`...)
		for i := range w.Messages {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendMessage(b, &w.Messages[i]); err != nil {
				return nil, err
			}
		}
		b = append(b, `],`...)
	}
	if len(others) == len("{}") && len(b) > 1 {
		b = b[:len(b)-1] // the comma
	}
	return append(b, others[1:]...), nil
}

func appendMessage(b []byte, m *message) ([]byte, error) {
	if !m.plain() {
		raw, err := json.Marshal(m, jsonOut)
		return append(b, raw...), err
	}
	b = appendString(append(b, `{"role":`...), m.Role)
	if m.Name != "" {
		b = appendString(append(b, `,"name":`...), m.Name)
	}
	b = append(b, `,"content":`...)
	switch {
	case m.Content.parts != nil:
		b = appendParts(b, m.Content.parts)
	case m.Content.set:
		b = appendString(b, m.Content.text)
	default:
		b = append(b, "null"...)
	}
	for i := range m.ToolCalls {
		if i == 0 {
			b = append(b, `,"tool_calls":[`...)
		} else {
			b = append(b, ',')
		}
		c := &m.ToolCalls[i]
		b = appendString(append(b, `{"id":`...), string(c.ID))
		b = appendString(append(b, `,"type":"function","function":{"name":`...), c.Function.Name)
		b = appendString(append(b, `,"arguments":`...), string(c.Function.Arguments))
		b = append(b, "}}"...)
	}
	if len(m.ToolCalls) > 0 {
		b = append(b, ']')
	}
	if m.ToolCallID != "" {
		b = appendString(append(b, `,"tool_call_id":`...), m.ToolCallID)
	}
	if m.ReasoningContent != nil {
		b = appendString(append(b, `,"reasoning_content":`...), *m.ReasoningContent)
	}
	return append(b, '}'), nil
}

// plain reports whether a message has nothing but what appendMessage writes by hand.
func (m *message) plain() bool {
	if m.Refusal != nil || m.Audio != nil || m.FunctionCall != nil || m.Reasoning != nil || m.ReasoningDetails != nil ||
		m.Annotations != nil || m.CacheControl != nil || len(m.Extra) > 0 {
		return false
	}
	for i := range m.Content.parts {
		p := &m.Content.parts[i]
		media := p.ImageURL != nil || p.InputAudio != nil || p.File != nil || p.VideoURL != nil
		if p.Type != "text" || p.Text == nil || media || p.Refusal != nil || p.Thinking != nil ||
			p.CacheControl != nil || p.Breakpoint != nil || p.CachePoint != nil || len(p.Extra) > 0 {
			return false
		}
	}
	for i := range m.ToolCalls {
		c := &m.ToolCalls[i]
		if c.Index != nil || c.ID == "" || c.Type != "function" || c.Function == nil || c.Function.Name == "" || c.Custom != nil || len(c.ExtraContent) > 0 {
			return false
		}
	}
	return true
}

// appendParts appends parts that are texts.
func appendParts(b []byte, parts []part) []byte {
	b = append(b, '[')
	for i := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(append(b, `{"type":"text","text":`...), *parts[i].Text), '}')
	}
	return append(b, ']')
}

// sizeOf is about how long a body will be, in bytes, so that its memory is taken once.
func sizeOf(w *request) int {
	n := 1 << 10
	for i := range w.Messages {
		m := &w.Messages[i]
		n += 64 + len(m.Content.text) + len(m.Content.text)/4 // what is escaped takes more
		for j := range m.Content.parts {
			if text := m.Content.parts[j].Text; text != nil {
				n += 32 + len(*text) + len(*text)/4
			}
		}
		for j := range m.ToolCalls {
			if f := m.ToolCalls[j].Function; f != nil {
				n += 96 + len(f.Name) + len(f.Arguments) + len(f.Arguments)/4
			}
		}
	}
	return n
}
