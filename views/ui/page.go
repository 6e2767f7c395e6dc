// Package ui is the console's design system: the frame around every page and the components that pages are made of.
//
// Components take plain values and know nothing of the domain. They need no script to work and no inline style, so that
// they stand under a strict content security policy.
package ui

import (
	"strings"
	"unicode/utf8"

	"aihigress/views/i18n"
)

// Section names a room of the console, to mark it in the navigation.
type Section string

// The sections, in the order of the navigation.
const (
	Dashboard  Section = "dashboard"
	Requests   Section = "requests"
	Notes      Section = "notifications"
	Providers  Section = "providers"
	Models     Section = "models"
	Keys       Section = "keys"
	Credit     Section = "credit"
	Statements Section = "statements"
	Sessions   Section = "sessions"
	Users      Section = "users"
	Limits     Section = "limits"
	Egress     Section = "egress"
	Margin     Section = "margin"
	Reconcile  Section = "reconcile"
	Audit      Section = "audit"
	Jobs       Section = "jobs"
)

// Theme is "light", "dark", or empty to follow the system.
type Theme string

// The chosen themes.
const (
	System Theme = ""
	Light  Theme = "light"
	Dark   Theme = "dark"
)

// ThemeCookie is the name of the cookie that keeps a chosen theme.
const ThemeCookie = "theme"

// ParseTheme returns the theme that a cookie or form field names, System for anything unknown.
func ParseTheme(s string) Theme {
	switch Theme(s) {
	case Light, Dark:
		return Theme(s)
	}
	return System
}

// Viewer is who is signed in, as the frame shows them.
type Viewer struct {
	Name  string // falls back to Email where empty
	Email string
	Admin bool // shows the rooms that only administrators may enter
}

func (v Viewer) label() string {
	if v.Name != "" {
		return v.Name
	}
	return v.Email
}

func (v Viewer) initial() string {
	r, _ := utf8.DecodeRuneInString(strings.ToUpper(v.label()))
	if r == utf8.RuneError {
		return "?"
	}
	return string(r)
}

// Notice is a message shown once at the top of a page.
type Notice struct {
	Tone Tone
	Text string
}

// Page is what the frame needs to know of the page inside it.
type Page struct {
	Title   string
	Section Section
	Lang    i18n.Lang
	Theme   Theme
	Path    string // path and query of this page, to come back to after a change of language or theme
	Viewer  Viewer
	Notice  *Notice
	Unread  int // notifications; UnreadLimit and more are shown alike
}

// UnreadLimit is how many unread notifications the bell tells apart.
const UnreadLimit = 99

// Tone colours a badge, a notice or a status.
type Tone string

// The tones.
const (
	Neutral Tone = ""
	Good    Tone = "good"
	Info    Tone = "info"
	Warn    Tone = "warn"
	Bad     Tone = "bad"
)

func (t Tone) badge() string {
	return "badge badge-sm " + map[Tone]string{
		Neutral: "badge-soft", Good: "badge-soft badge-success", Info: "badge-soft badge-info",
		Warn: "badge-soft badge-warning", Bad: "badge-soft badge-error",
	}[t]
}

func (t Tone) alert() string {
	return "alert alert-soft " + map[Tone]string{
		Neutral: "", Good: "alert-success", Info: "alert-info", Warn: "alert-warning", Bad: "alert-error",
	}[t]
}

func (t Tone) dot() string {
	return "status " + map[Tone]string{
		Neutral: "", Good: "status-success", Info: "status-info", Warn: "status-warning", Bad: "status-error",
	}[t]
}

func (t Tone) icon() string {
	switch t {
	case Good:
		return "check"
	case Warn, Bad:
		return "warning"
	}
	return "info"
}
