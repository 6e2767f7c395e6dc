package views

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
)

// spareRoutes is how many empty rows a form offers for new routes. More come with each save.
const spareRoutes = 3

// modelForm is a model as its form has it. A route with neither provider nor upstream name is an empty row.
type modelForm struct {
	Name, Description, Strategy string
	Unsupported, RequestErrors  string
	Latency, Price, Errors      string // of the balanced strategy
	RetryBudget                 string
	Multiplier                  string // of what is charged
	Hedge                       bool
	Enabled                     bool
	Routes                      []routeForm
	Providers                   []provider.Provider // to choose from
	Problems                    problems
}

type routeForm struct {
	Provider, UpstreamID, Weight, Priority string
	Enabled                                bool
	Region                                 string
	Overrides                              overridesForm
}

// overridesForm is what a route has differently from the provider's model. What is empty is as that has it.
type overridesForm struct {
	Capabilities                           string // words apart from one another; "-" is none
	Context, MaxOutput                     string
	Input, CachedInput, CacheWrite, Output string
}

// noCapabilities is how a form says that a route can nothing besides text.
const noCapabilities = "-"

// providerChoices are the providers that a route may lead to.
func (c *console) providerChoices(ctx context.Context) ([]provider.Provider, error) {
	list, err := c.Providers.List(ctx, provider.Filter{}, page.Args{First: page.MaxSize})
	return list.Items, err
}

func modelFormOf(m catalog.Model) modelForm {
	f := modelForm{
		Name: m.Name, Description: m.Description, Strategy: string(m.Strategy), Unsupported: string(m.Unsupported), RequestErrors: string(m.RequestErrors),
		Latency: decimal(m.Balance.Latency), Price: decimal(m.Balance.Price), Errors: decimal(m.Balance.Errors),
		RetryBudget: strconv.Itoa(m.RetryBudget), Multiplier: m.Multiplier.String(), Hedge: m.Hedge, Enabled: m.Enabled,
	}
	for _, r := range m.Routes {
		f.Routes = append(f.Routes, routeForm{
			Provider: r.ProviderID.String(), UpstreamID: r.UpstreamID, Weight: strconv.Itoa(r.Weight),
			Priority: strconv.Itoa(r.Priority), Enabled: r.Enabled, Region: r.Region, Overrides: overridesFormOf(r.Overrides),
		})
	}
	return f
}

func readModelForm(r *http.Request) modelForm {
	f := modelForm{
		Name: strings.TrimSpace(r.PostFormValue("name")), Description: strings.TrimSpace(r.PostFormValue("description")),
		Strategy: r.PostFormValue("strategy"), Unsupported: r.PostFormValue("unsupportedFields"), RequestErrors: r.PostFormValue("requestErrors"),
		Latency: r.PostFormValue("balanceLatency"), Price: r.PostFormValue("balancePrice"), Errors: r.PostFormValue("balanceErrors"),
		RetryBudget: r.PostFormValue("retryBudget"), Multiplier: r.PostFormValue("multiplier"), Hedge: r.PostFormValue("hedge") == "on",
		Enabled: r.PostFormValue("enabled") == "on", Problems: problems{},
	}
	for i := 0; r.PostForm.Has("provider." + strconv.Itoa(i)); i++ {
		value := func(name string) string { return strings.TrimSpace(r.PostFormValue(name + "." + strconv.Itoa(i))) }
		f.Routes = append(f.Routes, routeForm{
			Provider: value("provider"), UpstreamID: value("upstream"), Weight: value("weight"), Priority: value("priority"),
			Enabled: value("enabled") == "on", Region: value("region"),
			Overrides: overridesForm{
				Capabilities: value("capabilities"), Context: value("context"), MaxOutput: value("maxOutput"),
				Input: value("inputPrice"), CachedInput: value("cachedInputPrice"), CacheWrite: value("cacheWritePrice"), Output: value("outputPrice"),
			},
		})
	}
	return f
}

// padded adds the empty rows that a form shows below its routes.
func (f modelForm) padded() modelForm {
	for range spareRoutes {
		f.Routes = append(f.Routes, routeForm{Weight: "1", Priority: "0", Enabled: true})
	}
	return f
}

// routes reads the rows that are filled in and notes what is wrong with them.
func (f *modelForm) routes(ctx context.Context) []catalog.RouteInput {
	var kept []routeForm
	out := []catalog.RouteInput{}
	for _, row := range f.Routes {
		if row.Provider == "" && row.UpstreamID == "" {
			continue
		}
		kept = append(kept, row)
		providerID, err := id.Parse[id.Provider](row.Provider)
		if err != nil {
			f.Problems["routes"] = i18n.T(ctx, "Choose a provider for each route.")
			continue
		}
		weight, errWeight := strconv.Atoi(row.Weight)
		priority, errPriority := strconv.Atoi(row.Priority)
		if row.UpstreamID == "" || errWeight != nil || errPriority != nil || weight < 0 {
			f.Problems["routes"] = i18n.T(ctx, "A route needs the provider's name of the model, a weight of zero or more and a priority.")
			continue
		}
		overrides, ok := row.Overrides.read(ctx)
		if !ok {
			f.Problems["routes"] = i18n.T(ctx, "What a route has of its own are whole numbers of tokens and decimal prices, as in 0.25, or empty.")
			continue
		}
		out = append(out, catalog.RouteInput{
			ProviderID: providerID, UpstreamID: row.UpstreamID, Weight: &weight, Priority: priority, Region: row.Region,
			Overrides: overrides, Disabled: !row.Enabled,
		})
	}
	f.Routes = kept
	return out
}

// balance reads the weights of the balanced strategy and notes what is not one; nil where the form has none.
func (f *modelForm) balance(ctx context.Context) *catalog.Balance {
	if f.Latency+f.Price+f.Errors == "" {
		return nil
	}
	var b catalog.Balance
	for to, text := range map[*float64]string{&b.Latency: f.Latency, &b.Price: f.Price, &b.Errors: f.Errors} {
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			f.Problems["balance"] = i18n.T(ctx, "Enter three numbers, zero or more.")
			return nil
		}
		*to = n
	}
	return &b
}

// retries reads the retry budget and notes what is not one; nil where the form has none.
func (f *modelForm) retries(ctx context.Context) *int {
	if f.RetryBudget == "" {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(f.RetryBudget))
	if err != nil {
		f.Problems["retryBudget"] = i18n.T(ctx, "Enter a whole number, zero or more.")
		return nil
	}
	return &n
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func overridesFormOf(o catalog.Overrides) overridesForm {
	f := overridesForm{
		Capabilities: strings.Join(o.Capabilities, " "), Context: optionalNumber(o.ContextTokens), MaxOutput: optionalNumber(o.MaxOutputTokens),
		Input: optionalPrice(o.Rate.Input), CachedInput: optionalPrice(o.Rate.CachedInput),
		CacheWrite: optionalPrice(o.Rate.CacheWrite), Output: optionalPrice(o.Rate.Output),
	}
	if o.Capabilities != nil && len(o.Capabilities) == 0 {
		f.Capabilities = noCapabilities
	}
	return f
}

// any reports whether a route has something of its own.
func (f overridesForm) any() bool { return f != overridesForm{} }

func (f overridesForm) read(ctx context.Context) (o catalog.Overrides, ok bool) {
	p := problems{}
	o = catalog.Overrides{
		ContextTokens: readLimit[int64](ctx, p, "context", f.Context), MaxOutputTokens: readLimit[int64](ctx, p, "maxOutput", f.MaxOutput),
		Rate: pricing.Rate{
			Input: readPrice(ctx, p, "input", f.Input), CachedInput: readPrice(ctx, p, "cachedInput", f.CachedInput),
			CacheWrite: readPrice(ctx, p, "cacheWrite", f.CacheWrite), Output: readPrice(ctx, p, "output", f.Output),
		},
	}
	switch f.Capabilities {
	case "":
	case noCapabilities:
		o.Capabilities = []string{}
	default:
		o.Capabilities = strings.FieldsFunc(f.Capabilities, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	}
	return o, len(p) == 0
}
