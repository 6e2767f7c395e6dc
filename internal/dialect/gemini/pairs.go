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
	search := responses{in: in}
	e.out.Contents = make(list[wireContent], 0, len(in)+1)
	for i := range in {
		c := &in[i]
		if c.Role == "model" {
			e.add(c.Role, c.Parts)
			e.add("user", search.answers(c.Parts, i+1))
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
			case p.FunctionResponse.taken:
				at += files(c.Parts[at+1:])
			default:
				parts = append(parts, lost(p.FunctionResponse))
				parts = append(parts, p.FunctionResponse.Parts...)
			}
		}
		e.add(c.Role, parts)
	}
}

// responses finds those of calls.
type responses struct {
	in  list[wireContent]
	far map[string][]place // calls and responses by id, once one was looked for far off
}

// answers are the responses to the calls among the parts of a model's turn, of the contents from one on.
func (r *responses) answers(calls list[wirePart], from int) list[wirePart] {
	var out list[wirePart]
	for i := range calls {
		call := calls[i].FunctionCall
		if call == nil {
			continue
		}
		if at, ok := r.find(call.ID, from); ok {
			parts := r.in[at.content].Parts[at.part:]
			parts[0].FunctionResponse.taken = true
			out = append(out, parts[:1+files(parts[1:])]...)
			continue
		}
		out = append(out, wirePart{FunctionResponse: &wireResult{ID: call.ID, Name: call.Name, said: "The function gave no result.", under: "error"}})
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

// maxLooks is how many parts are looked at for a response, which mostly stands right behind its call.
const maxLooks = 64

// find finds that of a call, before the call's id is used anew.
func (r *responses) find(id string, from int) (place, bool) {
	looks := 0
	for i := from; i < len(r.in); i++ {
		for at := range r.in[i].Parts {
			if looks++; looks > maxLooks {
				return r.findFar(id, from)
			}
			switch p := &r.in[i].Parts[at]; {
			case p.FunctionResponse != nil && p.FunctionResponse.ID == id && !p.FunctionResponse.taken:
				return place{i, at}, true
			case p.FunctionCall != nil && p.FunctionCall.ID == id:
				return place{}, false
			}
		}
	}
	return place{}, false
}

// findFar does the same by where all calls and responses are that follow: of many calls, each would look at all that follows.
func (r *responses) findFar(id string, from int) (place, bool) {
	if r.far == nil {
		r.far = map[string][]place{}
		for i := from; i < len(r.in); i++ {
			for at := range r.in[i].Parts {
				switch p := &r.in[i].Parts[at]; {
				case p.FunctionResponse != nil:
					r.far[p.FunctionResponse.ID] = append(r.far[p.FunctionResponse.ID], place{i, at})
				case p.FunctionCall != nil:
					r.far[p.FunctionCall.ID] = append(r.far[p.FunctionCall.ID], place{i, at})
				}
			}
		}
	}
	places := r.far[id]
	for ; len(places) > 0; places = places[1:] {
		response := r.in[places[0].content].Parts[places[0].part].FunctionResponse
		if places[0].content < from || response != nil && response.taken {
			continue // it is behind us, or taken
		}
		r.far[id] = places
		return places[0], response != nil
	}
	delete(r.far, id)
	return place{}, false
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
