package anthropic

import (
	"bytes"
	"slices"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/jsonwrite"
)

// Patch implements dialect.Scanned.
func (s *scanned) Patch(body []byte, p dialect.Patch) [][]byte {
	e := editor{body: body}
	var members [][]byte // that the body lacks; they go where the model stands
	switch {
	case p.AnthropicVersion == "" || s.versioned:
	case s.version.present():
		e.replace(s.version, quote(p.AnthropicVersion))
	default:
		members = append(members, slices.Concat([]byte(`"anthropic_version":`), quote(p.AnthropicVersion)))
	}
	if p.ClaudeCLI {
		members = s.asClaudeCode(&e, members)
	}
	switch added := bytes.Join(members, []byte(",")); {
	case !p.OmitModel && p.Model != s.facts.Model:
		e.replace(s.model, quote(p.Model))
		fallthrough
	case !p.OmitModel:
		if len(added) > 0 {
			e.replace(span{s.model.end, s.model.end}, append([]byte(","), added...))
		}
	case len(added) > 0:
		e.replace(span{keyStart(body, s.model.start), s.model.end}, added)
	default:
		e.replace(memberSpan(body, s.model), nil)
	}
	return e.end()
}

// asClaudeCode adds what Claude Code has in every request, where the body does not have it.
func (s *scanned) asClaudeCode(e *editor, members [][]byte) [][]byte {
	if !s.claudeCode {
		block := append(append([]byte(`{"type":"text","text":`), quote(claudeCodeBlock)...), '}')
		system := e.body[s.system.start:s.system.end]
		switch {
		case !s.system.present():
			members = append(members, slices.Concat([]byte(`"system":[`), block, []byte("]")))
		case s.systemKind == jsonscan.Null || s.systemKind == jsonscan.String && string(system) == `""`:
			e.replace(s.system, slices.Concat([]byte("["), block, []byte("]")))
		case s.systemKind == jsonscan.String:
			e.replace(s.system, slices.Concat([]byte("["), block, []byte(`,{"type":"text","text":`), system, []byte("}]")))
		default:
			e.insertFirst(s.system, block)
		}
	}
	if !s.claudeUser {
		id := quote(claudeUserID(s.facts.Model, e.body[s.system.start:s.system.end], e.body[s.userID.start:s.userID.end]))
		pair := append([]byte(`"user_id":`), id...)
		switch {
		case s.userID.present():
			e.replace(s.userID, id)
		case !s.metadata.present():
			members = append(members, slices.Concat([]byte(`"metadata":{`), pair, []byte("}")))
		case s.metadataKind == jsonscan.Null:
			e.replace(s.metadata, slices.Concat([]byte("{"), pair, []byte("}")))
		default:
			e.insertFirst(s.metadata, pair)
		}
	}
	return members
}

// keyStart is where the key of a member begins whose value begins at a place. The body is known to be valid, and the key
// to have no quote within.
func keyStart(body []byte, value int64) int64 {
	end := bytes.LastIndexByte(body[:value], '"')
	return int64(bytes.LastIndexByte(body[:end], '"'))
}

// memberSpan is a member with one of the commas around it, if there is any.
func memberSpan(body []byte, value span) span {
	m := span{keyStart(body, value.start), value.end}
	if after := skipSpace(body, m.end); body[after] == ',' {
		m.end = after + 1
		return m
	}
	if before := bytes.TrimRight(body[:m.start], " \t\r\n"); before[len(before)-1] == ',' {
		m.start = int64(len(before)) - 1
	}
	return m
}

func skipSpace(body []byte, at int64) int64 {
	for body[at] == ' ' || body[at] == '\t' || body[at] == '\r' || body[at] == '\n' {
		at++
	}
	return at
}

// editor puts a body together from what stays and what is new.
type editor struct {
	body  []byte
	edits []edit
}

type edit struct {
	old  span
	text []byte
}

func (e *editor) replace(old span, text []byte) { e.edits = append(e.edits, edit{old, text}) }

// insertFirst puts an element or a member in front of those of a container that is known to be valid.
func (e *editor) insertFirst(container span, text []byte) {
	first := skipSpace(e.body, container.start+1)
	if first != container.end-1 { // it is not empty
		text = append(text, ',')
	}
	e.replace(span{container.start + 1, container.start + 1}, text)
}

func (e *editor) end() [][]byte {
	slices.SortStableFunc(e.edits, func(a, b edit) int { return int(a.old.start - b.old.start) })
	out := make([][]byte, 0, 2*len(e.edits)+1)
	at := int64(0)
	for _, edit := range e.edits {
		if edit.old.start > at {
			out = append(out, e.body[at:edit.old.start])
		}
		if len(edit.text) > 0 {
			out = append(out, edit.text)
		}
		at = edit.old.end
	}
	if at < int64(len(e.body)) {
		out = append(out, e.body[at:])
	}
	return out
}

// quote returns a JSON string; bytes that are not UTF-8 become U+FFFD.
func quote(s string) []byte { return jsonwrite.String(nil, s) }
