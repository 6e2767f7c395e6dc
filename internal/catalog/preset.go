package catalog

import (
	"strings"
	"sync"

	"charm.land/catwalk/pkg/catwalk"
	"charm.land/catwalk/pkg/embedded"

	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
)

// A Preset is a vendor as the public catalogue knows it (charm.land/catwalk, built in: no network is asked).
type Preset struct {
	ID      string
	Name    string
	Dialect string // "openai", "responses", "anthropic" or "gemini"
	Kind    string // how it is addressed and signed: "direct" or "vertex"
	BaseURL string // as that dialect's providers take it; of Vertex AI with Project to be replaced
	Models  []PresetModel
}

// A PresetModel is one model of a vendor.
type PresetModel struct {
	ID           string   // the vendor's
	Name         string   // for people
	Context      int64    // tokens; 0 is unknown
	MaxOutput    int64    // tokens; 0 is unknown
	Capabilities []string // as far as the catalogue knows: see Lacks
	Rate         pricing.Rate
}

// Project stands in the base URL of a preset for a name that only its user knows.
const Project = "PROJECT"

// Presets lists the vendors that a provider can be made from, the well-known first. The list is shared: do not change it.
// Vendors that sign requests in ways of their own are left out, but for Vertex AI.
func Presets() []Preset { return presets() }

var presets = sync.OnceValue(func() []Preset {
	var list []Preset
	for _, p := range embedded.GetAll() {
		if p.ID == catwalk.InferenceProviderVertexAI {
			list = append(list, vertex(p)...)
		}
		preset, ok := presetOf(p)
		if !ok {
			continue
		}
		list = append(list, preset)
		if p.ID == catwalk.InferenceProviderOpenAI { // which has two APIs
			preset.ID, preset.Name, preset.Dialect = preset.ID+"-responses", preset.Name+" (Responses)", llm.Responses
			list = append(list, preset)
		}
	}
	return list
})

// Known is what the catalogue knows of a preset's model; ok is false where it knows nothing.
func Known(presetID, upstreamID string) (PresetModel, bool) {
	m, ok := known()[[2]string{presetID, upstreamID}]
	return m, ok
}

var known = sync.OnceValue(func() map[[2]string]PresetModel {
	index := map[[2]string]PresetModel{}
	for _, p := range Presets() {
		for _, m := range p.Models {
			index[[2]string{p.ID, m.ID}] = m
		}
	}
	return index
})

// dialects maps the catalogue's types to dialects; others are not spoken.
var dialects = map[catwalk.Type]string{
	catwalk.TypeOpenAI:       llm.OpenAI,
	catwalk.TypeOpenAICompat: llm.OpenAI,
	catwalk.TypeOpenRouter:   llm.OpenAI,
	catwalk.TypeVercel:       llm.OpenAI,
	catwalk.TypeAnthropic:    llm.Anthropic,
	catwalk.TypeGoogle:       llm.Gemini,
}

// endpoints stand in where the catalogue names a variable of the environment instead of an address: the vendors' SDKs' own.
var endpoints = map[catwalk.InferenceProvider]string{
	catwalk.InferenceProviderOpenAI:    "https://api.openai.com/v1",
	catwalk.InferenceProviderAnthropic: "https://api.anthropic.com",
	catwalk.InferenceProviderGemini:    "https://generativelanguage.googleapis.com/v1beta",
}

func presetOf(p catwalk.Provider) (Preset, bool) {
	base, ok := endpoints[p.ID]
	if !ok {
		base = strings.TrimRight(p.APIEndpoint, "/")
	}
	dialect, spoken := dialects[p.Type]
	// Copilot wants a sign-in of its own. Default headers are not taken over: they say which program is calling.
	if !spoken || p.ID == catwalk.InferenceProviderCopilot || !strings.HasPrefix(base, "https://") {
		return Preset{}, false
	}
	preset := Preset{ID: string(p.ID), Name: p.Name, Dialect: dialect, Kind: "direct", BaseURL: base}
	for _, m := range p.Models {
		preset.Models = append(preset.Models, presetModel(m))
	}
	return preset, true
}

// vertex makes a preset for each dialect that the catalogue's models of Vertex AI are spoken in.
func vertex(p catwalk.Provider) []Preset {
	const base = "https://aiplatform.googleapis.com/v1/projects/" + Project + "/locations/global"
	gemini := Preset{ID: string(p.ID), Name: p.Name, Dialect: llm.Gemini, Kind: "vertex", BaseURL: base}
	claude := Preset{ID: string(p.ID) + "-anthropic", Name: p.Name + " (Claude)", Dialect: llm.Anthropic, Kind: "vertex", BaseURL: base}
	for _, m := range p.Models {
		of := &gemini
		if strings.HasPrefix(m.ID, "claude") {
			of = &claude
		}
		of.Models = append(of.Models, presetModel(m))
	}
	return []Preset{gemini, claude}
}

func presetModel(m catwalk.Model) PresetModel {
	p := PresetModel{
		ID: m.ID, Name: m.Name, Context: max(m.ContextWindow, 0), MaxOutput: max(m.DefaultMaxTokens, 0),
		Rate: pricing.Rate{
			Input:       price(m.CostPer1MIn),
			Output:      price(m.CostPer1MOut),
			CachedInput: price(m.CostPer1MOutCached), // "out of the cache": the read
			CacheWrite:  price(m.CostPer1MInCached),  // "into the cache": the write
		},
	}
	p.Capabilities = capabilities(m.CanReason, m.SupportsImages)
	return p
}

// capabilities are a model's as catalogues tell them.
func capabilities(reasons, sees bool) []string {
	list := []string{llm.TextOnly}
	if reasons {
		list = append(list, llm.NeedReasoning.String())
	}
	if sees {
		list = append(list, llm.NeedVision.String())
	}
	return list
}

// price takes a zero as unknown. The catalogue writes 0 both for what is free and for what it does not know, subscriptions
// with the dearest models among them: only an admin can say that a model is free, by a price of 0 set by hand.
func price(perMillion float64) *money.Price {
	p, err := money.PriceFromFloat(perMillion)
	if err != nil || p == 0 {
		return nil
	}
	return &p
}
