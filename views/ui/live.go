package ui

import "github.com/a-h/templ"

// SignedOut is the event that ends a stream whose reader is not signed in any more: the page goes to sign in (app.js).
const SignedOut = "signed-out"

// Live are the attributes of an element that follows an event stream. Messages are swapped into target; with an empty
// target they say themselves where each part goes (hx-partial). An answer that is no stream is not swapped anywhere.
func Live(stream, target, swap string) templ.Attributes {
	a := templ.Attributes{
		"data-live": "", "hx-sse:connect": stream, "hx-sse:close": SignedOut, "hx-swap": swap,
		"hx-status:4xx": "swap:none", "hx-status:5xx": "swap:none",
	}
	if target != "" {
		a["hx-target"] = target
	}
	return a
}
