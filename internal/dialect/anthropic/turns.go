package anthropic

import (
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/llm"
)

// A turn is what one side says until the other does.
type turn struct {
	role   llm.Role
	blocks []llm.Block
}

// split parts the system prompt from the turns. System messages at the start are the prompt; later ones stay in their
// place as the user's text, so that what a cache knows of the conversation stays the same. What the API would refuse is
// left out: texts of nothing but space, thinking that is not Anthropic's, media that Claude cannot say.
//
// Later system messages of a caller of this dialect stay what they are. Other callers' do not become such: models before
// Opus 4.8 refuse them, and the rest but behind what the user says and in front of an answer (platform.claude.com,
// "Mid-conversation system messages").
func split(r *llm.Request, d *llm.Drops) (system []llm.Block, turns []turn) {
	leading := true
	turns = make([]turn, 0, len(r.Messages))
	total := 0
	for i := range r.Messages {
		total += len(r.Messages[i].Blocks)
	}
	room := llm.RoomFor(total)
	for i := range r.Messages {
		m := &r.Messages[i]
		d.If(m.Name != "", llm.FieldName)
		isSystem := m.Role == llm.System || m.Role == llm.Developer
		leading = leading && isSystem
		role, wrapped := m.Role, false
		switch {
		case isSystem && r.Dialect == llm.Anthropic:
			role = llm.System
		case isSystem:
			role, wrapped = llm.User, !leading
		}
		blocks := room.List(len(m.Blocks))
		for j := range m.Blocks {
			b := m.Blocks[j] // a copy: the request is the caller's
			if !keep(&b, m.Role, d) {
				continue
			}
			if wrapped {
				b.Text = "<system>\n" + b.Text + "\n</system>"
			}
			blocks = append(blocks, b)
		}
		switch {
		case len(blocks) == 0:
		case leading && len(system) == 0:
			system = blocks
		case leading:
			system = append(system, blocks...)
		case len(turns) > 0 && turns[len(turns)-1].role == role:
			last := &turns[len(turns)-1]
			last.blocks = append(last.blocks, blocks...)
		default:
			turns = append(turns, turn{role, blocks})
		}
	}
	return system, turns
}

// keep says whether a block can be written, and notes it where not.
func keep(b *llm.Block, role llm.Role, d *llm.Drops) bool {
	system := role == llm.System || role == llm.Developer
	switch b.Kind {
	case llm.Refusal:
		b.Kind = llm.Text
		return strings.TrimSpace(b.Text) != ""
	case llm.Text:
		empty := strings.TrimSpace(b.Text) == ""
		d.If(empty && b.Cache != nil, llm.FieldCache)
		return !empty
	case llm.Thinking:
		if signed(b) && role == llm.Assistant {
			return true
		}
		d.If(b.Text != "" || !b.State.IsZero(), llm.FieldThinking)
		return false
	case llm.Media:
		if role == llm.User && (b.Vendor == llm.Anthropic || sourceOf(b.Media) != "") {
			return true
		}
		d.Add(mediaField(b.Media))
		return false
	case llm.Opaque:
		if b.Vendor == llm.Anthropic && (!system || b.Type == billing) {
			return true
		}
		d.Add(llm.FieldVendorBlock.With(b.Type))
		return false
	case llm.ToolCall:
		return role == llm.Assistant
	case llm.ToolResult:
		return role == llm.User
	}
	return false
}

// paired gives every call of a tool its result, at the head of the turn behind it, which the API demands. A result that
// came later is moved; where there is none one is made up that says so; a result without a call becomes text. Ids are
// made such as the API takes, and no two calls the same.
func paired(turns []turn, d *llm.Drops) []turn {
	p := pairing{used: map[string]bool{}}
	out := make([]turn, 0, len(turns)+1)
	for i := range turns {
		t := turns[i]
		if t.role == llm.System {
			if len(p.open) > 0 { // the results come first
				out = append(out, p.user(turn{role: llm.User}))
			}
			out = append(out, t)
			continue
		}
		if t.role == llm.Assistant {
			out = append(out, p.assistant(t, turns[i+1:]))
			if i+1 == len(turns) && len(p.open) > 0 {
				out = append(out, p.user(turn{role: llm.User}))
			}
			continue
		}
		if t = p.user(t); len(t.blocks) > 0 {
			out = append(out, t)
		}
	}
	return joined(out)
}

// joined puts turns of one side together that came to stand behind one another, in the memory of the list.
func joined(turns []turn) []turn {
	out := turns[:0]
	for _, t := range turns {
		if n := len(out); n > 0 && out[n-1].role == t.role {
			out[n-1].blocks = append(out[n-1].blocks, t.blocks...)
			continue
		}
		out = append(out, t)
	}
	return out
}

// pairing is the state of paired.
type pairing struct {
	used map[string]bool // ids that stand in the request
	open []llm.Block     // the results that the next turn has to begin with
	took []*llm.Block    // results of the caller's that have found their call
}

// assistant names the calls of a turn and finds their results in what follows.
func (p *pairing) assistant(t turn, later []turn) turn {
	p.open = p.open[:0]
	for i := range t.blocks {
		b := &t.blocks[i]
		if b.Kind != llm.ToolCall {
			continue
		}
		found := p.find(b.Call.ID, later)
		b.Call.ID = p.id(b.Call.ID)
		switch {
		case found == nil:
			p.open = append(p.open, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: b.Call.ID, IsError: true,
				Content: []llm.Block{{Kind: llm.Text, Text: "The tool gave no result."}}}})
			continue
		case found.Result.CallID != b.Call.ID:
			named := *found.Result // a copy: the request is the caller's
			named.CallID = b.Call.ID
			p.open = append(p.open, *found)
			p.open[len(p.open)-1].Result = &named
		default:
			p.open = append(p.open, *found)
		}
		p.took = append(p.took, found)
	}
	return t
}

func (p *pairing) find(id string, later []turn) *llm.Block {
	for i := range later {
		for j := range later[i].blocks {
			b := &later[i].blocks[j]
			if b.Kind == llm.ToolResult && b.Result.CallID == id && !slices.Contains(p.took, b) {
				return b
			}
			if b.Kind == llm.ToolCall && b.Call.ID == id {
				return nil // the id is used anew
			}
		}
	}
	return nil
}

// id makes an id such as the API takes.
func (p *pairing) id(id string) string {
	clean := []byte(id)
	for i, c := range clean {
		if !plainName(c) {
			clean[i] = '_'
		}
	}
	if len(clean) == 0 {
		clean = []byte("call")
	}
	unique := string(clean)
	for n := 2; p.used[unique]; n++ {
		unique = string(clean) + "_" + strconv.Itoa(n)
	}
	p.used[unique] = true
	return unique
}

func plainName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// user puts the results that are due in front of what the user says.
func (p *pairing) user(t turn) turn {
	if len(p.open) == 0 && !slices.ContainsFunc(t.blocks, func(b llm.Block) bool { return b.Kind == llm.ToolResult }) {
		return t
	}
	blocks := append(make([]llm.Block, 0, len(p.open)+len(t.blocks)), p.open...)
	p.open = p.open[:0]
	for i := range t.blocks {
		b := &t.blocks[i]
		switch {
		case b.Kind != llm.ToolResult:
			blocks = append(blocks, *b)
		case !slices.Contains(p.took, b):
			name := b.Result.Name
			if name == "" {
				name = "a tool"
			}
			blocks = append(blocks, llm.Block{Kind: llm.Text, Text: "Result of " + name + ":"})
			for _, c := range b.Result.Content {
				if c.Kind != llm.Text || strings.TrimSpace(c.Text) != "" {
					blocks = append(blocks, c)
				}
			}
		}
	}
	t.blocks = blocks
	return t
}

// Words that stand in for a turn which the API demands and the caller does not have.
const (
	goOn     = "Continue."
	untitled = "(The conversation begins.)"
)

// ended sees to it that the user speaks first, and last where the model cannot go on with what it began to say.
func (w *requestWriter) ended(turns []turn) []turn {
	if len(turns) == 0 && len(w.system) > 0 && w.r.Messages[0].Role != llm.User {
		turns, w.system = []turn{{llm.User, w.system}}, nil
	}
	said := func(text string) turn { return turn{llm.User, []llm.Block{{Kind: llm.Text, Text: text}}} }
	if len(turns) == 0 {
		return []turn{said(goOn)}
	}
	if turns[0].role == llm.Assistant {
		turns = slices.Insert(turns, 0, said(untitled))
	}
	last := &turns[len(turns)-1]
	if last.role != llm.Assistant {
		return turns
	}
	end := &last.blocks[len(last.blocks)-1]
	if w.thinks || !w.model.prefills() || end.Kind != llm.Text {
		return append(turns, said(goOn))
	}
	end.Text = strings.TrimRight(end.Text, " \t\r\n") // which the API refuses at the end
	return turns
}
