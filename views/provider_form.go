package views

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
)

// providerForm is a provider as its form has it.
type providerForm struct {
	Preset, Name, Slug, BaseURL, Weight, Factor  string
	Dialect, Kind, Visibility, Streaming         string
	Paths, Headers                               string // a line each: operation path, name: value
	Secret                                       string // of the first key; never sent back to the browser
	AskStreamUsage, AllowPrivate, AcceptAnyModel bool
	EgressPool, AllowHosts, CACertificate        string // the second a line each
	Pools                                        []egress.Pool
	Problems                                     problems
}

func readProviderForm(r *http.Request) providerForm {
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	on := func(name string) bool { return r.PostFormValue(name) == "on" }
	return providerForm{
		Preset: text("preset"), Name: text("name"), Slug: text("slug"), Dialect: text("dialect"), Kind: text("kind"), Streaming: text("streaming"), BaseURL: text("baseUrl"),
		Weight: text("weight"), Factor: text("billingFactor"), Visibility: text("visibility"), Secret: text("secret"),
		Paths: text("paths"), Headers: text("headers"),
		EgressPool: text("egressPoolId"), AllowHosts: text("allowHosts"), CACertificate: text("caCertificate"),
		AskStreamUsage: on("askStreamUsage"), AllowPrivate: on("allowPrivate"), AcceptAnyModel: on("acceptAnyModel"),
		Problems: problems{},
	}
}

func providerFormOf(p provider.Provider) providerForm {
	form := providerForm{
		Preset: p.PresetID, Name: p.Name, Slug: p.Slug, Dialect: p.Dialect, Kind: p.Kind, Streaming: string(p.Streaming), BaseURL: p.BaseURL,
		Paths: textOf(p.Paths, " "), Headers: textOf(p.Headers, ": "),
		Weight: strconv.Itoa(p.Weight), Visibility: string(p.Visibility),
		AskStreamUsage: p.AskStreamUsage, AllowPrivate: p.AllowPrivate, AcceptAnyModel: p.AcceptAnyModel,
		AllowHosts: strings.Join(p.AllowHosts, "\n"), CACertificate: p.CACertificate,
	}
	if p.Factor != nil {
		form.Factor = p.Factor.String()
	}
	if p.EgressPoolID != nil {
		form.EgressPool = p.EgressPoolID.String()
	}
	return form
}

// network is how the provider is reached. What the form does not have stays as it is.
func (f providerForm) network(r *http.Request) provider.NetworkInput {
	var in provider.NetworkInput
	if r.PostForm.Has("egressPoolId") {
		in.EgressPoolID = new(*id.EgressPool)
		if f.EgressPool != "" {
			pool, err := id.Parse[id.EgressPool](f.EgressPool)
			if err != nil {
				f.Problems["egressPoolId"] = i18n.T(r.Context(), "Choose an egress pool.")
			}
			*in.EgressPoolID = &pool
		}
	}
	if r.PostForm.Has("allowHosts") {
		in.AllowHosts = new(lines(f.AllowHosts))
	}
	if r.PostForm.Has("caCertificate") {
		in.CACertificate = &f.CACertificate
	}
	return in
}

// pools is the egress pools that a provider may name; none for whoever may not name one.
func (c *console) pools(r *http.Request) ([]egress.Pool, error) {
	if !admin(r) {
		return nil, nil
	}
	all, err := c.Egress.List(r.Context(), egress.Filter{}, page.Args{First: egress.MaxPools})
	return all.Items, err
}

// paths reads a path for an operation from each line.
func (f providerForm) paths(r *http.Request) map[string]string {
	paths, ok := pairs(f.Paths, " ")
	if !ok {
		f.Problems["paths"] = i18n.T(r.Context(), "Enter an operation and its path in each line, each operation once.")
	}
	return paths
}

// headers reads a header from each line.
func (f providerForm) headers(r *http.Request) map[string]string {
	headers, ok := pairs(f.Headers, ":")
	if !ok {
		f.Problems["headers"] = i18n.T(r.Context(), "Enter a name, a colon and a value in each line, each name once.")
	}
	return headers
}

// pairs reads lines that each hold a name and a value. It reports whether all do, and no name stands twice.
func pairs(text, between string) (map[string]string, bool) {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, between)
		if _, twice := all[name]; !ok || twice {
			return nil, false
		}
		all[name] = strings.TrimSpace(value)
	}
	return all, true
}

// textOf writes what pairs reads, in the order of the names.
func textOf(all map[string]string, between string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(name + between + all[name] + "\n")
	}
	return b.String()
}

// advanced reports whether what most providers do not need is set, or wrong.
func (f providerForm) advanced() bool {
	shown := f.Paths + f.Headers + f.Streaming + f.EgressPool + f.AllowHosts + f.CACertificate
	if f.Factor != "" && f.Factor != pricing.One.String() {
		shown += f.Factor
	}
	for _, field := range []string{"paths", "headers", "streaming", "egressPoolId", "allowHosts", "caCertificate", "billingFactor"} {
		shown += f.Problems.of(field)
	}
	return shown != ""
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
