package views

import (
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/provider"
	"aihigress/views/i18n"
)

// providerForm is a provider as its form has it.
type providerForm struct {
	Preset, Name, Slug, Dialect, BaseURL, Weight string
	Visibility                                   string
	Secret                                       string // of the first key; never sent back to the browser
	AskStreamUsage, AllowPrivate, AcceptAnyModel bool
	Problems                                     problems
}

func readProviderForm(r *http.Request) providerForm {
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	on := func(name string) bool { return r.PostFormValue(name) == "on" }
	return providerForm{
		Preset: text("preset"), Name: text("name"), Slug: text("slug"), Dialect: text("dialect"), BaseURL: text("baseUrl"),
		Weight: text("weight"), Visibility: text("visibility"), Secret: text("secret"),
		AskStreamUsage: on("askStreamUsage"), AllowPrivate: on("allowPrivate"), AcceptAnyModel: on("acceptAnyModel"),
		Problems: problems{},
	}
}

func providerFormOf(p provider.Provider) providerForm {
	return providerForm{
		Preset: p.PresetID, Name: p.Name, Slug: p.Slug, Dialect: p.Dialect, BaseURL: p.BaseURL,
		Weight: strconv.Itoa(p.Weight), Visibility: string(p.Visibility),
		AskStreamUsage: p.AskStreamUsage, AllowPrivate: p.AllowPrivate, AcceptAnyModel: p.AcceptAnyModel,
	}
}

// weight reads the share of requests; nothing is 1.
func (f providerForm) weight(r *http.Request) int {
	if f.Weight == "" {
		return 1
	}
	n, err := strconv.Atoi(f.Weight)
	if err != nil || n < 0 {
		f.Problems["weight"] = i18n.T(r.Context(), "Enter a whole number, zero or more.")
		return 0
	}
	return n
}
