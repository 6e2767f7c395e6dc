package llm

import (
	"iter"
	"math/bits"
	"strings"
)

// Needs is a set of what a request asks of where it goes, beyond taking and giving text.
type Needs uint16

// The needs. Those up to NeedReasoning are met by the model and are names of capabilities; the others by its provider and
// by its sizes.
const (
	NeedVision     Needs = 1 << iota // pictures are shown to the model
	NeedAudio                        // sound goes in, or is to come out
	NeedTools                        // functions that the caller runs
	NeedStructured                   // the answer must be JSON
	NeedReasoning                    // the model is to think before it answers
	NeedStreaming                    // the answer is to come as it is made
	NeedDialect                      // what the caller's dialect alone has: a tool that the vendor runs, something that it keeps
	NeedContext                      // room for the prompt and the answer
	NeedOutput                       // room for the answer
	needs
)

const (
	// Abilities are the needs that a model itself meets.
	Abilities = NeedVision | NeedAudio | NeedTools | NeedStructured | NeedReasoning
	// HardNeeds cannot be gone without. What the others stand for is left out of a request and named, or there is another way
	// to the same end.
	HardNeeds = NeedVision | NeedAudio | NeedTools | NeedContext
)

// TextOnly is the capability of a model that is known to have no other.
const TextOnly = "text"

var needNames = [...]string{"vision", "audio", "tools", "structured_output", "reasoning", "streaming", "dialect", "context", "output"}

// Capabilities is what a model can be said to be able to do: the names of Abilities, and two that every model is taken to
// have. Whether there are streams is up to the provider.
var Capabilities = append([]string{TextOnly, NeedStreaming.String()}, strings.Split(Abilities.String(), "+")...)

// spellings are other words for capabilities that lists of models are full of.
var spellings = map[string]string{
	"chat": "text", "completion": "text", "images": "vision", "image": "vision", "image_input": "vision", "audio_input": "audio",
	"function_calling": "tools", "functions": "tools", "tool_calling": "tools", "tool_use": "tools", "thinking": "reasoning",
	"json": "structured_output", "json_mode": "structured_output", "json_schema": "structured_output", "structured_outputs": "structured_output",
}

// Capability is a capability by its own name; ok is false for what is none. Case and dashes do not matter, and a few other
// words that are usual are understood.
func Capability(word string) (name string, ok bool) {
	name = strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
	if usual, other := spellings[name]; other {
		name = usual
	}
	for _, known := range Capabilities {
		if name == known {
			return name, true
		}
	}
	return "", false
}

// LackedBy is what of the abilities that can be known of it a model does not have. A list without any capability says
// nothing.
func LackedBy(capabilities []string, known Needs) Needs {
	lacks, told := known, false
	for _, word := range capabilities {
		name, ok := Capability(word)
		told = told || ok
		lacks &^= needOf(name)
	}
	if !told {
		return 0
	}
	return lacks
}

// needOf is the need of a name; none has no bits.
func needOf(name string) Needs {
	for i, known := range needNames {
		if name == known {
			return 1 << i
		}
	}
	return 0
}

// All is each need of the set by itself.
func (n Needs) All() iter.Seq[Needs] {
	return func(yield func(Needs) bool) {
		for ; n != 0; n &= n - 1 {
			if !yield(n & -n) {
				return
			}
		}
	}
}

// Count is how many needs there are in the set.
func (n Needs) Count() int { return bits.OnesCount16(uint16(n)) }

// String is the names of the needs, joined by "+".
func (n Needs) String() string {
	n &= needs - 1
	if n.Count() == 1 {
		return needNames[bits.TrailingZeros16(uint16(n))]
	}
	var names []string
	for one := range n.All() {
		names = append(names, one.String())
	}
	return strings.Join(names, "+")
}
