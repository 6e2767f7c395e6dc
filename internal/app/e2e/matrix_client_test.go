package e2e

import (
	"context"
	"net/http"
)

// An sdk is a vendor's official client.
type sdk interface {
	// begin starts a conversation.
	begin(ctx context.Context, s setup) (conversation, error)
	// refusal reads the client's own error; false where err is none of them.
	refusal(err error) (complaint, bool)
	// embed asks for vectors; false where the client's API has none.
	embed(ctx context.Context, s setup, texts []string) ([][]float64, bool, error)
	// word is what the API calls an end: "stop", "length", "sequence", "tools", "refusal" or "filter".
	word(end string) string
}

// setup is what an app says of a conversation before it begins. Fields at zero are not said.
type setup struct {
	url, key, model string
	http            *http.Client

	system    string
	cached    bool // the system prompt is to be cached, in APIs where callers say so
	tools     []function
	schema    map[string]any // of the answer
	think     bool
	maxTokens int64
	stop      []string // ignored where the API has none
	onText    func()   // is called for every piece of streamed text
}

// A function is a tool of the app's, with one text as its argument.
type function struct{ name, argument string }

func (f function) properties() map[string]any {
	return map[string]any{f.argument: map[string]any{"type": "string"}}
}

func (f function) schema() map[string]any {
	return map[string]any{"type": "object", "properties": f.properties(), "required": []string{f.argument}}
}

// A conversation keeps what was said in the client's own types, as an app does.
type conversation interface {
	// say adds words of the user, with pictures.
	say(text string, pictures ...picture)
	// instruct adds words of the developer's in the middle; false where the API has none there.
	instruct(text string) bool
	// answer adds what a call returned.
	answer(c call, result string)
	// send asks for the next turn and adds it. With an error comes what had arrived before.
	send(ctx context.Context, stream bool) (*reply, error)
}

// A picture is given by its content or its address.
type picture struct{ mime, base64, url string }

// A reply is what the client made of an answer.
type reply struct {
	text, thought, refusal string
	calls                  []call
	finish                 string // the API's word
	pieces                 int    // of text, where it was streamed
	usage                  tally
}

// A call is a call of a tool.
type call struct{ id, name, args string }

// A tally is usage by the simulator's rules: cached and written are parts of prompt, reasoning is one of completion.
type tally struct{ prompt, cached, written, completion, reasoning int64 }

// A complaint is what a client tells of an error answer.
type complaint struct {
	status        int
	kind, message string
}
