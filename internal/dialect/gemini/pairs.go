package gemini

import (
	"slices"

	"aihigress/internal/llm"
)

// pair gives every call its response, at the head of the content behind it and in the order of the calls, which Google
// demands. A response that came later is moved; where there is none one is made up that says so; a response without a call
// becomes text. A caller of this dialect hears it from Google.
func (e *requestEncoder) pair() {
	if e.in.Dialect != llm.Gemini && !paired(e.out.Contents) {
		e.repair()
	}
}

// paired reports whether all is as it should be already, which it nearly always is. Neighbours have different roles.
func paired(all list[wireContent]) bool {
	var calls list[wirePart] // of the turn before, among others
	for i := range all {
		parts := all[i].Parts
		if all[i].Role == "model" {
			calls = parts
			continue
		}
		for j := range calls {
			call := calls[j].FunctionCall
			if call == nil {
				continue
			}
			if len(parts) == 0 || parts[0].FunctionResponse == nil || parts[0].FunctionResponse.ID != call.ID {
				return false
			}
			parts = parts[1+files(parts[1:]):]
		}
		for j := range parts {
			if parts[j].FunctionResponse != nil {
				return false
			}
		}
		calls = nil
	}
	for j := range calls {
		if calls[j].FunctionCall != nil {
			return false
		}
	}
	return true
}

// repair brings responses to their calls.
func (e *requestEncoder) repair() {
	in := e.out.Contents
	var taken []*wireResult
	e.out.Contents = make(list[wireContent], 0, len(in)+1)
	for i := range in {
		c := &in[i]
		if c.Role == "model" {
			e.add(c.Role, c.Parts)
			e.add("user", answers(c.Parts, in[i+1:], &taken))
			continue
		}
		if !slices.ContainsFunc(c.Parts, func(p wirePart) bool { return p.FunctionResponse != nil }) {
			e.add(c.Role, c.Parts)
			continue
		}
		parts := make(list[wirePart], 0, len(c.Parts))
		for at := 0; at < len(c.Parts); at++ {
			p := &c.Parts[at]
			switch {
			case p.FunctionResponse == nil:
				parts = append(parts, *p)
			case slices.Contains(taken, p.FunctionResponse):
				at += files(c.Parts[at+1:])
			default:
				parts = append(parts, lost(p.FunctionResponse))
				parts = append(parts, p.FunctionResponse.Parts...)
			}
		}
		e.add(c.Role, parts)
	}
}

// answers are the responses to the calls among the parts of a model's turn.
func answers(calls list[wirePart], later list[wireContent], taken *[]*wireResult) list[wirePart] {
	var out list[wirePart]
	for i := range calls {
		call := calls[i].FunctionCall
		if call == nil {
			continue
		}
		answer := response(call.ID, later, *taken)
		if answer == nil {
			answer = list[wirePart]{{FunctionResponse: &wireResult{ID: call.ID, Name: call.Name, said: "The function gave no result.", under: "error"}}}
		}
		*taken = append(*taken, answer[0].FunctionResponse)
		out = append(out, answer...)
	}
	return out
}

// files counts the files at the head of parts: behind a response they are what was returned with it.
func files(parts list[wirePart]) int {
	for i := range parts {
		if parts[i].InlineData == nil && parts[i].FileData == nil {
			return i
		}
	}
	return len(parts)
}

// response finds that of a call, with its files, before the call's id is used anew.
func response(id string, later list[wireContent], taken []*wireResult) list[wirePart] {
	for i := range later {
		for at, p := range later[i].Parts {
			switch {
			case p.FunctionResponse != nil && p.FunctionResponse.ID == id && !slices.Contains(taken, p.FunctionResponse):
				return later[i].Parts[at : at+1+files(later[i].Parts[at+1:])]
			case p.FunctionCall != nil && p.FunctionCall.ID == id:
				return nil
			}
		}
	}
	return nil
}

// lost is a response without a call, in words.
func lost(w *wireResult) wirePart {
	said := w.said
	if w.under == "" {
		said, _ = readOutput(w.Response)
	}
	if said != "" {
		said = "\n" + said
	}
	return textPart("Result of " + w.Name + ":" + said)
}
