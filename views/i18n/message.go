package i18n

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Message returns the text of a refusal in the language of ctx, as a sentence. Refusals are worded in English by the
// domain, some with values in them; they are recognised by their wording. One that is not known is shown in English.
func Message(ctx context.Context, text string) string {
	if From(ctx) != Chinese {
		return sentence(text)
	}
	for _, p := range patterns() {
		if m := p.match.FindStringSubmatch(text); m != nil {
			args := make([]any, len(m)-1)
			for i, v := range m[1:] {
				args[i] = v
			}
			return strings.TrimSuffix(fmt.Sprintf(p.chinese, args...), "。") + "。"
		}
	}
	return sentence(text)
}

// sentence makes a sentence of a message, which programs want without.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

type pattern struct {
	match   *regexp.Regexp
	chinese string // every verb is %s, since values are already text
}

var verbs = regexp.MustCompile(`%(\[\d+\])?(?:\.\d+)?[a-z]`)

// patterns turns each wording with its verbs into an expression that finds the values again. Of two that fit, the one that
// says more comes first: "at most %s credits" before "at most %d".
var patterns = sync.OnceValue(func() []pattern {
	said := func(english string) int { return len(verbs.ReplaceAllString(english, "")) }
	wordings := slices.SortedFunc(maps.Keys(refusals), func(a, b string) int {
		return cmp.Or(said(b)-said(a), strings.Compare(a, b))
	})
	out := make([]pattern, 0, len(refusals))
	for _, english := range wordings {
		chinese := refusals[english]
		parts := verbs.Split(english, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		out = append(out, pattern{
			match:   regexp.MustCompile(`(?s)^` + strings.Join(parts, `(.+?)`) + `$`),
			chinese: verbs.ReplaceAllString(chinese, `%${1}s`),
		})
	}
	return out
})
