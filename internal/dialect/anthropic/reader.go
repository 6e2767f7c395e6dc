package anthropic

import (
	"sync"

	"aihigress/internal/dialect/jsonread"

	"github.com/go-json-experiment/json"
)

// requestReader reads a request. What it takes apart is large and lives no longer than that: its memory is used again, and
// nothing of what it makes points there.
type requestReader struct {
	wire   wireRequest
	blocks blockDecoder
}

// The most of each list that are kept.
const (
	keepMessages = 256
	keepBlocks   = 8 // of one message, and in one block
	keepTools    = 128
	keepCalls    = 256
)

var requestReaders = sync.Pool{New: func() any { return &requestReader{blocks: blockDecoder{tools: map[string]string{}}} }}

// readRequest reads a body. The caller gives the reader back with free.
func readRequest(body []byte) (*requestReader, error) {
	p := requestReaders.Get().(*requestReader)
	if !jsonread.Plain(body, &p.wire, 0, (*wireRequest).readPlain) {
		p.wire = wireRequest{}
		if err := json.Unmarshal(body, &p.wire); err != nil {
			return nil, wrongJSON(err)
		}
	}
	return p, nil
}

// free gives the memory back.
func (p *requestReader) free() {
	if p.empty() {
		requestReaders.Put(p)
	}
}

// empty leaves nothing of the request, and reports whether the memory is worth to be kept.
func (p *requestReader) empty() bool {
	w, d := &p.wire, &p.blocks
	for i := range w.Messages {
		w.Messages[i].Role, w.Messages[i].Content = "", w.Messages[i].Content.emptied(true)
	}
	w.System = w.System.emptied(false)
	clear(w.Tools)
	w.reset()
	worth := cap(w.Messages) <= keepMessages && cap(w.Tools) <= keepTools && len(d.tools) <= keepCalls
	clear(d.tools)
	*d = blockDecoder{tools: d.tools}
	return worth
}

// emptied is the memory of the list, and of those in its blocks if it is deep, but for long ones.
func (c content) emptied(deep bool) content {
	if cap(c) > keepBlocks {
		return nil
	}
	for i := range c {
		in := c[i].Content.blocks
		if c[i] = (wireBlock{}); deep {
			c[i].Content.blocks = in.emptied(false)
		}
	}
	return c[:0]
}
