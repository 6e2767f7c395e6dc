package llm

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// maxToolName is the longest name of a function that OpenAI takes, in bytes. Anthropic takes 128, and so do clients with
// tools of MCP servers behind it.
const maxToolName = 64

// ToolName is a name as OpenAI takes it for a function: up to 64 letters, digits, "_" and "-". One that is not so already
// keeps its beginning and ends in a hash, the same each time; ToolIndex knows the way back.
func ToolName(name string) string {
	if name != "" && len(name) <= maxToolName && strings.IndexFunc(name, odd) < 0 {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	plain := strings.Map(func(r rune) rune {
		if odd(r) {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf("%s_%08x", plain[:min(len(plain), maxToolName-9)], h.Sum32())
}

// odd reports whether a name may not have a character.
func odd(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}
