package proxy

import (
	"fmt"

	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
	"aihigress/internal/tokens"
)

const (
	codeLacking        = "unsupported_capability"
	codeContextTooLong = "context_length_exceeded"
)

// needs fills in what the call needs of a route. Only generation has needs: what the other endpoints are for says their
// operation.
func (c *call) needs(in *routing.Input) {
	if !c.endpoint.translates {
		return
	}
	in.Needs, in.Dialect = c.facts.Needs, c.endpoint.dialect.Name()
	if c.event.Streamed {
		in.Needs |= llm.NeedStreaming
	}
	// Pictures and sound are left aside: what they take differs tenfold between models.
	in.Context = tokens.Rough(c.facts.TextBytes) + c.facts.Messages*messageTokens
}

// route plans the call, and leaves in the plan what may be tried. A call whose estimate is too long for every route is
// counted before it is refused.
func (c *call) route(policy routing.Policy, in routing.Input) error {
	c.needs(&in)
	for counted := false; ; counted = true {
		c.plan = policy.Plan(c.planned[:0], in)
		if err := c.followState(); err != nil {
			return err
		}
		all := c.plan
		if c.plan = routing.Fit(all); len(c.plan) > 0 {
			c.brief(policy, all)
			return nil
		}
		if lackKey(all) {
			c.brief(policy, all)
			return fault.New(fault.Upstream, "No provider of the model `%.100s` has a key that can be used.", c.facts.Model).WithCode("no_provider")
		}
		lacks := lackedByAll(all)
		if lacks&llm.NeedContext == 0 || counted {
			c.brief(policy, all)
			return c.lacking(all, lacks)
		}
		in.Context = min(in.Context, c.countText())
	}
}

// lackKey reports whether nothing but a key that works keeps one of the targets from being tried.
func lackKey(unfit []routing.Target) bool {
	for i := range unfit {
		if unfit[i].Keyless && unfit[i].Lacks&llm.HardNeeds == 0 {
			return true
		}
	}
	return false
}

// countText counts the text of the prompt, which takes some milliseconds for a long one.
func (c *call) countText() int64 {
	var text tokens.Text
	defer text.Reset()
	c.scanned.PromptText(c.body.bytes, func(part []byte) { _, _ = text.Write(part) })
	return text.Tokens() + c.facts.Messages*messageTokens
}

// lackedByAll is the needs that keep every target from being tried, else those that keep any.
func lackedByAll(unfit []routing.Target) llm.Needs {
	every, some := llm.HardNeeds, llm.Needs(0)
	for i := range unfit {
		lacks := unfit[i].Lacks & llm.HardNeeds
		every &= lacks
		some |= lacks
	}
	if every != 0 {
		return every
	}
	return some
}

// lacking is the refusal of a call that no route of its model can serve.
func (c *call) lacking(unfit []routing.Target, lacks llm.Needs) error {
	if lacks == llm.NeedContext {
		var longest int64
		for i := range unfit {
			longest = max(longest, unfit[i].Route.Upstream.Context)
		}
		return &llm.RequestError{Param: c.promptField(), Code: codeContextTooLong, Message: fmt.Sprintf(
			"This model's maximum context length is %d tokens, and the prompt with its answer takes about %d: the input exceeds the maximum number of tokens allowed.",
			longest, unfit[0].Tokens())}
	}
	var names string
	for need := range lacks.All() {
		if names != "" {
			names += ", "
		}
		names += need.String()
	}
	return &llm.RequestError{Param: "model", Code: codeLacking,
		Message: fmt.Sprintf("The model `%.100s` does not support what the request needs: %s.", c.facts.Model, names)}
}

// promptField is where callers of the dialect put the prompt.
func (c *call) promptField() string {
	switch c.endpoint.dialect.Name() {
	case llm.Gemini:
		return "contents"
	case llm.Responses:
		return "input"
	}
	if c.endpoint == &completions {
		return "prompt"
	}
	return "messages"
}
