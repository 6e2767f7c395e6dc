package responses

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// TestManyVendorTools: tools that a vendor runs are read in a time that grows with their number alone.
func TestManyVendorTools(t *testing.T) {
	t.Parallel()
	const n = 100_000 // each looked for among those before it, they would take half a minute
	for _, one := range []string{`{"type":"x"}`, `{"type":"local_shell"}`} {
		body := `{"model":"m","input":"hi","tools":[` + strings.Repeat(one+",", n-1) + one + `]}`
		r, err := Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		if err != nil || len(r.Tools) != n {
			t.Fatalf("%s: %v", one, err)
		}
		shells := 0
		for i := range r.Tools {
			if r.Tools[i].Vendor == "" && r.Tools[i].Name == localShell {
				shells++
			} else if r.Tools[i].Vendor != llm.Responses {
				t.Fatalf("tool %d is %+v", i, r.Tools[i])
			}
		}
		if want := strings.Count(one, "local_shell"); shells != want {
			t.Errorf("%s: %d tools of the shell, want %d", one, shells, want)
		}
	}
}

// TestLongNamespaces: what each tool of a group would have in its name has a bound.
func TestLongNamespaces(t *testing.T) {
	t.Parallel()
	for length, fine := range map[int]bool{maxNamespace: true, maxNamespace + 1: false} {
		body := `{"model":"m","input":"hi","tools":[{"type":"namespace","name":"` + strings.Repeat("n", length) + `","tools":[{"type":"function","name":"f"}]}]}`
		r, err := Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		refused, _ := errors.AsType[*llm.RequestError](err)
		if fine && (err != nil || len(r.Tools) != 1) || !fine && (refused == nil || refused.Param != "tools[0].name") {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

// TestNestedNamespaces: the API has no groups of tools within others, of which each would be read once more for all those
// around it.
func TestNestedNamespaces(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{2, 300} { // the reader of most requests does not go as deep as the second
		body := `{"model":"m","input":"hi","tools":[` + strings.Repeat(`{"type":"namespace","name":"n","tools":[`, depth) + `{"type":"function","name":"f"}` + strings.Repeat(`]}`, depth) + `]}`
		_, err := Dialect{}.DecodeRequest([]byte(body), dialect.At{})
		if refused, ok := errors.AsType[*llm.RequestError](err); !ok || refused.Param != "tools[0].tools[0].type" {
			t.Errorf("%d levels: got %v, want what is within a group to be refused", depth, err)
		}
	}
}

// TestManyMembers: the description of a group, which all its tools share, is not held against that of each.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	const n, size = 150_000, 8 << 20 // each time, it would take half a minute
	group := `{"type":"namespace","name":"n","description":"` + strings.Repeat("d", size) + `","tools":[` + strings.Repeat(`{"type":"function","name":"f"},`, n-1) + `{"type":"function","name":"f"}]}`
	r, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","input":"hi","tools":[`+group+`,`+group+`]}`), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(body), `"name":"f"`); got != 2*n || len(body) > 3*size+2*n*64 {
		t.Errorf("%d tools in %d bytes, want %d", got, len(body), 2*n)
	}
}

// TestManyNames: the tools that calls and a choice name are found by an index, and what is named again is no more.
func TestManyNames(t *testing.T) {
	t.Parallel()
	const n = 50_000 // looked through for each, they would take many seconds; the vendor's tool read for each, minutes
	var tools, names, calls strings.Builder
	for i := range n {
		fmt.Fprintf(&tools, `{"type":"namespace","name":"n%d","tools":[{"type":"function","name":"f"}]},`, i)
		fmt.Fprintf(&names, `{"type":"function","name":"f","namespace":"n%d"},{"type":"mcp"},`, n-1-i)
		fmt.Fprintf(&calls, `{"type":"function_call","call_id":"%d","name":"f","namespace":"n%[1]d","arguments":"{}"},`, n-1-i)
	}
	mcp := `{"type":"mcp","server_label":"l","more":"` + strings.Repeat("m", 4<<20) + `"}`
	r, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","input":[`+calls.String()+`{"role":"user","content":"x"}],"tools":[`+tools.String()+mcp+
		`],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[`+names.String()+`{"type":"mcp"}]}}`), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]int{`"namespace":"n`: 2 * n, `{"type":"mcp"`: 2, `"server_label":"l"`: 2} {
		if got := strings.Count(string(body), what); got != want {
			t.Errorf("%s is there %d times, want %d", what, got, want)
		}
	}
	answer := llm.Response{ID: "i", Candidates: []llm.Candidate{{}}}
	for i := range n {
		answer.Candidates[0].Blocks = append(answer.Candidates[0].Blocks, llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: strconv.Itoa(i), Name: r.Tools[n-1-i].Name}})
	}
	if got := strings.Count(string(Dialect{}.EncodeResponse(&answer, r)), `"type":"function_call"`); got != n {
		t.Errorf("%d calls are answered, want %d", got, n)
	}
}

// TestLongID: an answer's id that is longer than any is not told again with every event.
func TestLongID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("i", 1<<20)
	e := Dialect{}.Encoder(&llm.Request{Model: "m"})
	size, n := 0, 1_000
	tell := func(ev *llm.Event) {
		event, err := e.Append(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		size += len(event)
	}
	tell(&llm.Event{Kind: llm.Start, ID: long})
	tell(&llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.Thinking, State: llm.State{Origin: llm.Responses, ID: long}}})
	for range n {
		tell(&llm.Event{Kind: llm.Delta, Text: "t"})
	}
	if size > n<<10 {
		t.Errorf("%d events are %d bytes", n, size)
	}
}
