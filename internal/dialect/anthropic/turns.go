package anthropic

import (
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/llm"
)

// A turn is what one side says until the other does. Its blocks are the request's, which is the caller's: who changes one
// makes a copy of it first.
type turn struct {
	role   llm.Role
	blocks []*llm.Block
}

// split parts the system prompt from the turns. System messages at the start are the prompt; later ones stay in their
// place as the user's text, so that what a cache knows of the conversation stays the same. What the API would refuse is
// left out: texts of nothing but space, thinking that is not Anthropic's, media that Claude cannot say.
//
// Later system messages of a caller of this dialect stay what they are. Other callers' do not become such: models before
// Opus 4.8 refuse them, and the rest but behind what the user says and in front of an answer (platform.claude.com,
// "Mid-conversation system messages").
func (w *requestWriter) split() {
	r, d := w.r, &w.drops
	total := 0
	for i := range r.Messages {
		total += len(r.Messages[i].Blocks)
	}
	// The lists of the prompt and of the turns follow one another in one, so that the last of them can grow.
	all, begins := slices.Grow(w.list, total), 0
	leading := true
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
		from := len(all)
		for j := range m.Blocks {
			b := &m.Blocks[j]
			if !keep(b, m.Role, d) {
				continue
			}
			if wrapped {
				told := *b
				told.Text = "<system>\n" + b.Text + "\n</system>"
				b = &told
			}
			all = append(all, b)
		}
		switch n := len(w.turns); {
		case len(all) == from:
		case leading:
			w.system = slices.Clip(all)
		case n > 0 && w.turns[n-1].role == role:
			w.turns[n-1].blocks = slices.Clip(all[begins:])
		default:
			begins = from
			w.turns = append(w.turns, turn{role, slices.Clip(all[begins:])})
		}
	}
	w.list = all
}

// keep says whether a block can be written, and notes it where not.
func keep(b *llm.Block, role llm.Role, d *llm.Drops) bool {
	system := role == llm.System || role == llm.Developer
	switch b.Kind {
	case llm.Refusal:
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

// pair gives every call of a tool its result, at the head of the turn behind it, which the API demands. A result that
// came later is moved; where there is none one is made up that says so; a result without a call becomes text. Ids are
// made such as the API takes, and no two calls the same.
func (w *requestWriter) pair() {
	p, out := &w.pairing, w.spare
	for i, t := range w.turns {
		switch t.role {
		case llm.System:
			if len(p.open) > 0 { // the results come first
				out = append(out, turn{llm.User, p.user(nil, &w.drops)})
			}
			out = append(out, t)
		case llm.Assistant:
			p.assistant(w.turns, i)
			out = append(out, t)
			if i+1 == len(w.turns) && len(p.open) > 0 {
				out = append(out, turn{llm.User, p.user(nil, &w.drops)})
			}
		default:
			if t.blocks = p.user(t.blocks, &w.drops); len(t.blocks) > 0 {
				out = append(out, t)
			}
		}
	}
	w.turns, w.spare = joined(out), w.turns
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

// pairing is the state of pair.
type pairing struct {
	used map[string]int // ids that stand in the request, with the last number that was given to one like it
	open []*llm.Block   // the results that the next turn has to begin with
	far  map[string][]place
}

// place is where a block is.
type place struct{ turn, block int }

// assistant names the calls of a turn and takes their results out of what follows.
func (p *pairing) assistant(turns []turn, at int) {
	p.open = p.open[:0]
	blocks := turns[at].blocks
	for i, b := range blocks {
		if b.Kind != llm.ToolCall {
			continue
		}
		found, id := p.take(b.Call.ID, turns, at+1), p.id(b.Call.ID)
		if id != b.Call.ID {
			named := *b
			named.Call.ID = id
			blocks[i] = &named
		}
		switch {
		case found == nil:
			found = &llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: id, IsError: true,
				Content: []llm.Block{{Kind: llm.Text, Text: "The tool gave no result."}}}}
		case found.Result.CallID != id:
			named, result := *found, *found.Result
			result.CallID = id
			named.Result = &result
			found = &named
		}
		p.open = append(p.open, found)
	}
}

// maxLooks is how many blocks are looked at for a result, which mostly stands right behind its call.
const maxLooks = 64

// take is the result of a call, in a turn from a place on. It leaves nil where it was.
func (p *pairing) take(id string, turns []turn, from int) *llm.Block {
	looks := 0
	for i := from; i < len(turns); i++ {
		for j, b := range turns[i].blocks {
			if looks++; looks > maxLooks {
				return p.takeFar(id, turns, from)
			}
			switch {
			case b == nil:
			case b.Kind == llm.ToolResult && b.Result.CallID == id:
				turns[i].blocks[j] = nil
				return b
			case b.Kind == llm.ToolCall && b.Call.ID == id:
				return nil // the id is used anew
			}
		}
	}
	return nil
}

// takeFar does the same by where all calls and results are that follow: of many calls, each would look at all that follows.
func (p *pairing) takeFar(id string, turns []turn, from int) *llm.Block {
	if p.far == nil {
		p.far = map[string][]place{}
		for i := from; i < len(turns); i++ {
			for j, b := range turns[i].blocks {
				switch {
				case b == nil:
				case b.Kind == llm.ToolResult:
					p.far[b.Result.CallID] = append(p.far[b.Result.CallID], place{i, j})
				case b.Kind == llm.ToolCall:
					p.far[b.Call.ID] = append(p.far[b.Call.ID], place{i, j})
				}
			}
		}
	}
	places := p.far[id]
	for len(places) > 0 && (places[0].turn < from || turns[places[0].turn].blocks[places[0].block] == nil) {
		places = places[1:] // it is behind us, or taken
	}
	p.far[id] = places
	if len(places) == 0 {
		return nil
	}
	b := &turns[places[0].turn].blocks[places[0].block]
	found := *b
	if found.Kind != llm.ToolResult {
		return nil
	}
	*b = nil
	return found
}

// id makes an id such as the API takes, and that no other call has.
func (p *pairing) id(id string) string {
	id = plainID(id)
	unique, n := id, p.used[id]
	for n > 0 && p.used[unique] > 0 {
		n++
		unique = id + "_" + strconv.Itoa(n)
	}
	p.used[unique] = max(p.used[unique], 1)
	p.used[id] = max(p.used[id], n)
	return unique
}

func plainID(id string) string {
	if id == "" {
		return "call"
	}
	plain := 0
	for plain < len(id) && plainName(id[plain]) {
		plain++
	}
	if plain == len(id) {
		return id
	}
	clean := []byte(id)
	for i, c := range clean {
		if !plainName(c) {
			clean[i] = '_'
		}
	}
	return string(clean)
}

func plainName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// user puts the results that are due in front of what the user says.
func (p *pairing) user(blocks []*llm.Block, d *llm.Drops) []*llm.Block {
	taken := 0
	for taken < len(blocks) && blocks[taken] == nil {
		taken++
	}
	moves := func(b *llm.Block) bool { return b == nil || b.Kind == llm.ToolResult }
	if taken == len(p.open) && !slices.ContainsFunc(blocks[taken:], moves) {
		copy(blocks, p.open)
		p.open = p.open[:0]
		return blocks
	}
	all := append(make([]*llm.Block, 0, len(p.open)+len(blocks)), p.open...)
	p.open = p.open[:0]
	for _, b := range blocks {
		switch {
		case b == nil:
		case b.Kind != llm.ToolResult:
			all = append(all, b)
		default:
			name := b.Result.Name
			if name == "" {
				name = "a tool"
			}
			all = append(all, &llm.Block{Kind: llm.Text, Text: "Result of " + name + ":"})
			for i := range b.Result.Content {
				if c := &b.Result.Content[i]; inResult(c, d) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// Words that stand in for a turn which the API demands and the caller does not have.
const (
	goOn     = "Continue."
	untitled = "(The conversation begins.)"
)

// end sees to it that the user speaks first, and last where the model cannot go on with what it began to say.
func (w *requestWriter) end() {
	if len(w.turns) == 0 && len(w.system) > 0 && len(w.r.Messages) > 0 && w.r.Messages[0].Role != llm.User {
		w.turns, w.system = append(w.turns, turn{llm.User, w.system}), nil
	}
	said := func(text string) turn { return turn{llm.User, []*llm.Block{{Kind: llm.Text, Text: text}}} }
	if len(w.turns) == 0 {
		w.turns = append(w.turns, said(goOn))
		return
	}
	if w.turns[0].role == llm.Assistant {
		w.turns = slices.Insert(w.turns, 0, said(untitled))
	}
	last := &w.turns[len(w.turns)-1]
	if last.role != llm.Assistant {
		return
	}
	end := &last.blocks[len(last.blocks)-1]
	if w.thinks || !w.model.prefills() || (*end).Kind != llm.Text && (*end).Kind != llm.Refusal {
		w.turns = append(w.turns, said(goOn))
		return
	}
	begun := **end
	begun.Text = strings.TrimRight(begun.Text, " \t\r\n") // which the API refuses at the end
	*end = &begun
}
