package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// What Claude Code 2.1.197 sends on Linux, as recorded from it: the one place to bring up to date. Only the betas that
// every request has are here, and none of a sign-in: relays give out keys of their own. A provider's headers go over these.
var claudeHeader = http.Header{
	"Accept":     {"application/json"}, // of streams too
	"User-Agent": {claudeAgent + "2.1.197 (external, cli)"},
	"X-App":      {"cli"},
	"Anthropic-Beta": {strings.Join([]string{
		"claude-code-20250219", "interleaved-thinking-2025-05-14", "context-management-2025-06-27", "effort-2025-11-24",
	}, ",")},
	"Anthropic-Dangerous-Direct-Browser-Access": {"true"},
	"Anthropic-Version":                         {"2023-06-01"},
	"X-Stainless-Arch":                          {"x64"},
	"X-Stainless-Lang":                          {"js"},
	"X-Stainless-Os":                            {"Linux"},
	"X-Stainless-Package-Version":               {"0.94.0"},
	"X-Stainless-Retry-Count":                   {"0"},
	"X-Stainless-Runtime":                       {"node"},
	"X-Stainless-Runtime-Version":               {"v26.3.0"},
	"X-Stainless-Timeout":                       {"600"},
}

// claudeAgent is how its User-Agent begins.
const claudeAgent = "claude-cli/"

// asClaudeCLI sets a call's headers to what Claude Code sends. Claude Code's own stay as they are; of another caller's
// only the betas do, behind those that it must have.
func asClaudeCLI(h http.Header) {
	own := strings.HasPrefix(h.Get("User-Agent"), claudeAgent)
	for name := range h {
		if !own && strings.HasPrefix(name, "X-Stainless-") {
			delete(h, name)
		}
	}
	betas := h["Anthropic-Beta"]
	for name, values := range claudeHeader {
		if _, ok := h[name]; !ok || !own {
			h[name] = values
		}
	}
	if !own && len(betas) > 0 {
		h["Anthropic-Beta"] = []string{union(append(slices.Clone(claudeHeader["Anthropic-Beta"]), betas...))}
	}
}

// union is one list of what lists separated by commas name, each name once.
func union(lists []string) string {
	var names []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ",")
}
