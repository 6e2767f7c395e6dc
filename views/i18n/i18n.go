// Package i18n holds the two languages of the console.
//
// The English text is its own key: templates read as the page does, and a missing translation shows English. The
// tests read every call of T in the tree and fail on a text without a Chinese entry and on an entry that no call uses.
package i18n

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Lang is a language of the console, written as in the lang attribute of HTML.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh-CN"
)

// Cookie is the name of the cookie that keeps a chosen language. Its value is "en" or "zh-CN".
const Cookie = "lang"

type contextKey struct{}

// With returns a context whose texts are in lang.
func With(ctx context.Context, lang Lang) context.Context {
	return context.WithValue(ctx, contextKey{}, lang)
}

// From returns the language of ctx, English where none was set.
func From(ctx context.Context) Lang {
	if lang, ok := ctx.Value(contextKey{}).(Lang); ok {
		return lang
	}
	return English
}

// T returns the text in the language of ctx, formatted with args as fmt.Sprintf does when there are any. The text must
// be a string literal.
func T(ctx context.Context, text string, args ...any) string {
	if From(ctx) == Chinese {
		if translated, ok := chinese[text]; ok {
			text = translated
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// Parse returns the language that a cookie or a form field names.
func Parse(s string) (Lang, bool) {
	switch Lang(s) {
	case English:
		return English, true
	case Chinese:
		return Chinese, true
	}
	return "", false
}

// Negotiate picks the language of a request: the cookie if it names one, else the first of Accept-Language that the
// console speaks, else English.
func Negotiate(r *http.Request) Lang {
	if c, err := r.Cookie(Cookie); err == nil {
		if lang, ok := Parse(c.Value); ok {
			return lang
		}
	}
	best, weight := English, 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, params, _ := strings.Cut(part, ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			parsed, err := strconv.ParseFloat(v, 64)
			if err != nil {
				continue
			}
			q = parsed
		}
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if q <= weight {
			continue
		}
		switch primary {
		case "zh":
			best, weight = Chinese, q
		case "en":
			best, weight = English, q
		}
	}
	return best
}

// Middleware puts the negotiated language into the request's context.
func Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie, Accept-Language")
		next.ServeHTTP(w, r.WithContext(With(r.Context(), Negotiate(r))))
	})
}
