package responses

import (
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The local shell is a tool of OpenAI's whose calls the caller runs, with items of its own for them. To all other models it
// is a function, of the fields that OpenAI's LocalShellExecAction has.
const (
	localShell       = "local_shell"
	localShellCall   = "local_shell_call"
	localShellOutput = "local_shell_call_output"

	shellSchema = `{"type":"object","properties":{` +
		`"command":{"type":"array","items":{"type":"string"},"description":"The command to run: the program and its arguments."},` +
		`"working_directory":{"type":"string","description":"Where to run it."},` +
		`"timeout_ms":{"type":"integer","description":"After how many milliseconds to stop it."},` +
		`"env":{"type":"object","additionalProperties":{"type":"string"},"description":"Environment variables to set."},` +
		`"user":{"type":"string","description":"The user to run it as."}},"required":["command"]}`
)

// shellTool is the definition for those who know functions only; Raw is the one here.
func shellTool(raw jsontext.Value) llm.Tool {
	return llm.Tool{Name: localShell, Description: "Runs a command on the user's machine and returns its output.", Schema: llm.JSON(shellSchema), Type: localShell, Raw: raw}
}

// isShell reports whether a tool is the local shell.
func isShell(t *llm.Tool) bool { return t != nil && t.Vendor == "" && t.Type == localShell }

// shellAction is what to run.
type shellAction struct {
	Type      string            `json:"type,omitzero"`
	Command   jsontext.Value    `json:"command"`
	Env       map[string]string `json:"env"`
	Timeout   *int64            `json:"timeout_ms,omitzero"`
	Directory *string           `json:"working_directory,omitzero"`
	User      *string           `json:"user,omitzero"`
}

// shellCallOf reads a call of the shell's; false where it is none that can be understood.
func shellCallOf(it *item, raw jsontext.Value) (llm.Block, bool) {
	var call struct {
		Action *shellAction `json:"action"`
	}
	id := it.CallID
	if id == "" {
		id = it.ID
	}
	if json.Unmarshal(raw, &call, callers) != nil || call.Action == nil || id == "" {
		return llm.Block{}, false
	}
	call.Action.Type = ""
	input, err := json.Marshal(call.Action, upstreams, json.Deterministic(true))
	if err != nil {
		return llm.Block{}, false
	}
	plain, states := llm.UncarryID(id)
	b := llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: plain, Name: localShell, Input: string(input)}}
	for _, s := range states {
		if s.Kind == llm.ToolCall {
			b.State = s.State
		}
	}
	if len(states) == 0 && !minted(it.ID) { // else another vendor's model made it, and it is a function's to whom it goes next
		b.Vendor, b.Type, b.Raw = llm.Responses, localShellCall, raw.Clone()
	}
	return b, true
}

// shellOutputOf reads what a command gave: the result of a call that came before.
func (in *input) shellOutputOf(it *item, raw jsontext.Value, at refusal.Place) (llm.Block, error) {
	id := it.CallID
	if id == "" {
		id = it.ID
	}
	result, err := resultOf(&it.Output, at.In(".output"))
	if err != nil {
		return llm.Block{}, err
	}
	result.CallID, _ = llm.UncarryID(id)
	result.Name = localShell
	b := llm.Block{Kind: llm.ToolResult, Result: result}
	if call := in.callBy(result.CallID); call == nil || call.Type == localShellCall {
		b.Vendor, b.Type, b.Raw = llm.Responses, localShellOutput, raw.Clone()
	}
	return b, nil
}

// appendAction appends what to run, from the arguments of a function's call. Where they cannot be read, the command is empty
// and the caller says so to the model.
func appendAction(b, arguments []byte) []byte {
	a := shellAction{}
	if json.Unmarshal(arguments, &a, upstreams) != nil {
		a = shellAction{}
	}
	var words []string
	switch {
	case a.Command.Kind() == '"':
		line, _ := textOf(a.Command)
		words = []string{"bash", "-lc", line} // a whole line, as models like to write them
	case json.Unmarshal(a.Command, &words, upstreams) != nil:
		words = nil
	}
	if words == nil {
		words = []string{}
	}
	if a.Env == nil {
		a.Env = map[string]string{}
	}
	a.Type, a.Command = "exec", marshal(words)
	return append(b, marshal(&a)...)
}
