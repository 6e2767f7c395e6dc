package gemini

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// DecodeRequest implements dialect.Dialect.
func (d Dialect) DecodeRequest(body []byte, at dialect.At) (*llm.Request, error) {
	facts := at.Facts
	if facts == nil {
		scanned, err := d.Scan(body, at)
		if err != nil {
			return nil, err
		}
		facts = scanned.Facts()
	}
	w := requests.Get().(*wireRequest)
	defer func() {
		w.free()
		requests.Put(w)
	}()
	if !jsonread.Plain(body, w, jsonread.AnyCase, (*wireRequest).readPlain) {
		*w = wireRequest{}
		if err := json.Unmarshal(body, w, fromCaller); err != nil {
			return nil, unreadable(err)
		}
	}
	r, err := w.request(facts.Model, at.Stream)
	if err != nil {
		return nil, err
	}
	// Keys that are neither of the two spellings are read here and not by Scan, which limits went by.
	if r.MaxTokens != facts.MaxTokens || max(r.N, 1) != facts.N || len(w.Contents) != int(facts.Messages) {
		return nil, &llm.RequestError{Message: "Invalid JSON payload received. A field is spelt in neither camelCase nor snake_case."}
	}
	return r, nil
}

// unreadable words what does not fit the structs.
func unreadable(err error) error {
	refused := &llm.RequestError{Message: fmt.Sprintf("Invalid JSON payload received. %s", err)}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		refused.Param = dotted(string(semantic.JSONPointer))
		refused.Message = fmt.Sprintf("Invalid JSON payload received. Invalid value at %q.", refused.Param)
		if semantic.Err != nil {
			refused.Message = strings.TrimSuffix(refused.Message, ".") + ": " + semantic.Err.Error() + "."
		}
	}
	return refused
}

// dotted writes a JSON pointer as Google does: contents[0].parts.
func dotted(pointer string) string {
	var b strings.Builder
	for key := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(key); err == nil {
			b.WriteString("[" + key + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(camel(key))
	}
	return b.String()
}

// request is the neutral form.
func (w *wireRequest) request(model string, stream bool) (*llm.Request, error) {
	r := &llm.Request{Dialect: llm.Gemini, Model: model, Stream: stream, IncludeUsage: true, Metadata: w.Labels, Safety: w.SafetySettings}
	if isNull(r.Safety) {
		r.Safety = nil
	}
	if tier := strings.ToLower(w.ServiceTier); tier != "" && tier != "unspecified" {
		r.ServiceTier = tier
	}
	r.Messages = make([]llm.Message, 0, len(w.Contents)+1)
	c := conversations.Get().(*conversation)
	defer c.free()
	c.begin(r, w)
	if w.SystemInstruction != nil {
		c.system(w.SystemInstruction)
	}
	for i := range w.Contents {
		if err := c.content(i, &w.Contents[i]); err != nil {
			return nil, err
		}
	}
	functions := 0
	for i := range w.Tools {
		functions += len(w.Tools[i].FunctionDeclarations)
	}
	if functions > 0 {
		r.Tools = make([]llm.Tool, 0, functions)
	}
	for i := range w.Tools {
		if err := w.Tools[i].read(r); err != nil {
			return nil, err
		}
	}
	if err := w.ToolConfig.read(r); err != nil {
		return nil, err
	}
	if err := w.GenerationConfig.read(r); err != nil {
		return nil, err
	}
	members(w.Unknown, func(name string, value llm.JSON) {
		if name := camel(name); name != "model" && name != "generateContentRequest" {
			extra(r, name, value)
		}
	})
	return r, nil
}

// extra keeps a field that has no place in the neutral form.
func extra(r *llm.Request, path string, value llm.JSON) {
	if isNull(value) {
		return
	}
	if r.Extra == nil {
		r.Extra = map[string]llm.JSON{}
	}
	r.Extra[path] = value
}

// conversation reads contents. Calls without an id get one by where they stand, and results the id of the first call of
// their name that still waits.
type conversation struct {
	request *llm.Request
	waiting waitingCalls
	made    int
	signed  set[llm.State] // thinking of other vendors in the model's turn at hand
	read    []llm.Block    // of the part at hand: memory that is used again
	room    llm.Room
	results []llm.Result // memory for those that are to come
}

// conversations are kept for the memory of their lists.
var conversations = sync.Pool{New: func() any { return new(conversation) }}

// begin gets ready for a request.
func (c *conversation) begin(r *llm.Request, w *wireRequest) {
	blocks, results := 0, 0
	if w.SystemInstruction != nil {
		blocks = len(w.SystemInstruction.Parts)
	}
	for i := range w.Contents {
		n := w.Contents[i].results()
		results += n
		blocks += len(w.Contents[i].Parts) + n // each with a text
	}
	c.request, c.room = r, llm.RoomFor(blocks)
	if results > 0 {
		c.results = make([]llm.Result, results)
	}
}

// results counts the results among the parts.
func (w *wireContent) results() (n int) {
	for i := range w.Parts {
		if w.Parts[i].FunctionResponse != nil {
			n++
		}
	}
	return n
}

func (c *conversation) free() {
	waiting, signed, read := c.waiting.list, c.signed.list, c.read
	waiting, signed, read = waiting[:cap(waiting)], signed[:cap(signed)], read[:cap(read)]
	if cap(waiting)+cap(signed)+cap(read) > keepParts {
		*c = conversation{}
	} else {
		clear(waiting)
		clear(signed)
		clear(read)
		*c = conversation{waiting: waitingCalls{list: waiting[:0]}, signed: set[llm.State]{list: signed[:0]}, read: read[:0]}
	}
	conversations.Put(c)
}

// place is where a part is.
type place struct{ content, part int }

// String is the path of the part.
func (p place) String() string { return fmt.Sprintf("contents[%d].parts[%d]", p.content, p.part) }

func (c *conversation) system(w *wireContent) {
	m := llm.Message{Role: llm.System, Blocks: c.room.List(len(w.Parts))}
	for i := range w.Parts {
		if p := &w.Parts[i]; p.Text != nil && *p.Text != "" {
			m.Blocks = append(m.Blocks, llm.Block{Kind: llm.Text, Text: *p.Text})
		}
	}
	if len(m.Blocks) > 0 {
		c.request.Messages = append(c.request.Messages, m)
	}
}

func (c *conversation) content(at int, w *wireContent) error {
	m := llm.Message{Role: llm.User}
	switch strings.ToLower(w.Role) {
	case "", "user", "function", "tool":
	case "model":
		m.Role = llm.Assistant
	case "system":
		m.Role = llm.System
	default:
		return &llm.RequestError{Param: fmt.Sprintf("contents[%d].role", at), Message: "Please use a valid role: user, model."}
	}
	if m.Role != llm.Assistant {
		c.signed = set[llm.State]{list: c.signed.list[:0]}
	}
	results, rest := c.lists(w)
	for i := range w.Parts {
		var err error
		p := &w.Parts[i]
		if p.FunctionResponse == nil && p.ThoughtSignature == "" { // nothing to look at twice
			if rest, err = c.part(rest, place{at, i}, p); err != nil {
				return err
			}
			continue
		}
		if c.read, err = c.part(c.read[:0], place{at, i}, p); err != nil {
			return err
		}
		for j := range c.read {
			b := &c.read[j]
			switch {
			case b.Kind == llm.ToolResult:
				results = append(results, *b)
				continue
			case b.Kind == llm.Thinking && b.State.Origin != llm.Gemini && !b.State.IsZero():
				// The text that was signed comes with the signature, and perhaps again with the first call.
				if c.signed.has(b.State) {
					continue
				}
				c.signed.list = append(c.signed.list, b.State)
				if rest = dropUnsigned(rest); len(rest) == 0 && m.Role == llm.Assistant {
					c.dropUnsigned()
				}
			}
			rest = append(rest, *b)
		}
	}
	if m.Blocks = rest; len(results) > 0 {
		m.Blocks = append(results, rest...)
	}
	if last := c.last(m.Role); last != nil && m.Role == llm.Assistant {
		last.Blocks = append(last.Blocks, m.Blocks...) // SDKs keep a streamed answer piece by piece
		return nil
	}
	c.request.Messages = append(c.request.Messages, m)
	return nil
}

// lists are for what the parts become: blocks are large.
func (c *conversation) lists(w *wireContent) (results, rest []llm.Block) {
	n := w.results()
	if n > 0 {
		results = c.room.List(n)
	}
	if n < len(w.Parts) {
		rest = c.room.List(len(w.Parts) - n)
	}
	return results, rest
}

// last is the message before, where it is of the role.
func (c *conversation) last(role llm.Role) *llm.Message {
	if n := len(c.request.Messages); n > 0 && c.request.Messages[n-1].Role == role {
		return &c.request.Messages[n-1]
	}
	return nil
}

// dropUnsigned takes thinking that nobody signed off the end of the turn so far.
func (c *conversation) dropUnsigned() {
	if last := c.last(llm.Assistant); last != nil {
		last.Blocks = dropUnsigned(last.Blocks)
	}
}

// dropUnsigned takes thinking that nobody signed off the end.
func dropUnsigned(blocks []llm.Block) []llm.Block {
	for n := len(blocks); n > 0 && blocks[n-1].Kind == llm.Thinking && blocks[n-1].State.IsZero(); n-- {
		blocks = blocks[:n-1]
	}
	return blocks
}

// part reads one part: its blocks come behind those given.
func (c *conversation) part(blocks []llm.Block, at place, p *wirePart) ([]llm.Block, error) {
	var carried []llm.Block
	var native llm.State
	if p.ThoughtSignature != "" {
		carried, native = unpack(p.ThoughtSignature)
	}
	for i := range carried {
		if carried[i].Kind == llm.Thinking {
			blocks = append(blocks, carried[i])
		}
	}
	switch {
	case p.FunctionCall != nil:
		b, err := c.call(at, p.FunctionCall)
		if err != nil {
			return nil, err
		}
		b.State = native
		for _, own := range carried {
			if own.Kind == llm.ToolCall {
				b.State = own.State
			}
		}
		return append(blocks, b), nil
	case p.FunctionResponse != nil:
		b, err := c.result(at, p.FunctionResponse)
		return append(blocks, b), err
	case p.Thought:
		if len(carried) > 0 {
			return blocks, nil // the carried text is the one that was signed
		}
		return append(blocks, llm.Block{Kind: llm.Thinking, Text: text(p.Text), State: native}), nil
	case p.InlineData != nil:
		if p.InlineData.Data == "" {
			return nil, &llm.RequestError{Param: at.String() + ".inlineData.data", Message: "The data of an inlineData is empty."}
		}
		blocks = append(blocks, c.file(at, p, p.InlineData.attachment()))
	case p.FileData != nil:
		if p.FileData.FileURI == "" {
			return nil, &llm.RequestError{Param: at.String() + ".fileData.fileUri", Message: "The fileUri of a fileData is empty."}
		}
		blocks = append(blocks, c.file(at, p, p.FileData.attachment()))
	case p.Text != nil:
		if *p.Text != "" {
			blocks = append(blocks, llm.Block{Kind: llm.Text, Text: *p.Text})
		}
	default:
		if b, ok := p.opaque(); ok {
			return append(blocks, b), nil // with its signature, as it stands
		}
	}
	if !native.IsZero() {
		blocks = append(blocks, llm.Block{Kind: llm.Thinking, State: native})
	}
	return blocks, nil
}

// besideFiles begins the paths of what is said beside files. It goes back with their blocks; other dialects report it.
const besideFiles = "contents["

// file is a file with what is said beside it.
func (c *conversation) file(at place, p *wirePart, a *llm.Attachment) llm.Block {
	b := llm.Block{Kind: llm.Media, Media: a}
	if p.VideoMetadata == nil && p.MediaResolution == nil {
		return b
	}
	beside := wirePart{VideoMetadata: p.VideoMetadata, MediaResolution: p.MediaResolution}
	if raw := mustJSON(beside); string(raw) != "{}" {
		b.Vendor, b.Raw = llm.Gemini, raw
	}
	extra(c.request, at.String()+".videoMetadata", p.VideoMetadata)
	extra(c.request, at.String()+".mediaResolution", p.MediaResolution)
	return b
}

// call reads a functionCall.
func (c *conversation) call(at place, w *wireCall) (llm.Block, error) {
	if w.Name == "" {
		return llm.Block{}, &llm.RequestError{Param: at.String() + ".functionCall.name", Message: "A functionCall has no name."}
	}
	if !isNull(w.Args) && w.Args.Kind() != '{' {
		return llm.Block{}, &llm.RequestError{Param: at.String() + ".functionCall.args", Message: "The args of a functionCall must be an object."}
	}
	id, _ := llm.UncarryID(w.ID)
	if id == "" {
		id = "call_" + strconv.Itoa(c.made)
		c.made++
	}
	call := w.neutral(id)
	c.waiting.list = append(c.waiting.list, call)
	return llm.Block{Kind: llm.ToolCall, Call: call}, nil
}

// result reads a functionResponse.
func (c *conversation) result(at place, w *wireResult) (llm.Block, error) {
	if w.Name == "" && w.ID == "" {
		return llm.Block{}, &llm.RequestError{Param: at.String() + ".functionResponse.name", Message: "A functionResponse has no name."}
	}
	name, custom := customName(w.Name)
	id, _ := llm.UncarryID(w.ID)
	if call, ok := c.waiting.take(id, name); ok {
		id, name, custom = call.ID, call.Name, call.Custom
	} else if id == "" {
		id = "call_" + strconv.Itoa(c.made)
		c.made++
	}
	result := &c.results[0]
	c.results = c.results[1:]
	*result = llm.Result{CallID: id, Name: name, Custom: custom}
	said, isError := readOutput(w.Response)
	if result.IsError = isError; said != "" {
		result.Content = append(c.room.List(1), llm.Block{Kind: llm.Text, Text: said})
	}
	for i := range w.Parts {
		switch p := &w.Parts[i]; {
		case p.InlineData != nil:
			result.Content = append(result.Content, llm.Block{Kind: llm.Media, Media: p.InlineData.attachment()})
		case p.FileData != nil:
			result.Content = append(result.Content, llm.Block{Kind: llm.Media, Media: p.FileData.attachment()})
		}
	}
	return llm.Block{Kind: llm.ToolResult, Result: result}, nil
}

// text is a string that may be absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
