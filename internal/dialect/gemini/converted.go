package gemini

import (
	"sync"

	"aihigress/internal/llm"
)

// Bounds of what conversions keeps.
const (
	maxConverted       = 256      // schemas, each way
	maxConvertedLength = 16 << 10 // of a schema and of its conversion together, in bytes
)

// conversions keeps what schemas became: a client sends the same ones with every request. It is safe for concurrent use.
type conversions struct {
	mu   sync.RWMutex
	done map[string]llm.JSON
}

var fromSchemas, toSchemas conversions

// get is what a schema became before. Nobody may change it.
func (c *conversions) get(schema llm.JSON) (llm.JSON, bool) {
	c.mu.RLock()
	out, ok := c.done[string(schema)]
	c.mu.RUnlock()
	return out, ok
}

// put keeps what a schema became, which nobody may change any more. Where there is no room all are forgotten.
func (c *conversions) put(schema, out llm.JSON) {
	if len(schema)+len(out) > maxConvertedLength {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil || len(c.done) >= maxConverted {
		c.done = make(map[string]llm.JSON)
	}
	c.done[string(schema)] = out
}
