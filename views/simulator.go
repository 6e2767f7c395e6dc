package views

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"aihigress/internal/apikey"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/page"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/usage"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type simulatorView struct {
	Form   simulatorForm
	Models []string     // to choose from
	Keys   []apikey.Key // to choose from
	Plan   *plan.Answer // nil where nothing was asked, or it was refused
	Named  planNames
}

// simulatorForm is the call to plan as the address has it.
type simulatorForm struct {
	Model, Key, Strategy, Caller, Prompt, Output string
	Needs                                        llm.Needs
	Problems                                     problems
}

// planNames are what the identifiers of a plan are called, as far as the viewer may see it.
type planNames struct {
	Providers map[id.Provider]provider.Provider
	Keys      map[id.ProviderKey]provider.Key
}

// simulatorNeeds are the needs that the form offers, in its order. Each is a box of that name.
const simulatorNeeds = llm.Abilities | llm.NeedStreaming | llm.NeedDialect

// simulator shows how a call would be routed now. All of it stands in the address, so that other pages lead to a call.
func (c *console) simulator(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v := simulatorView{Form: readSimulatorForm(r)}
	status := http.StatusOK
	if v.Form.Model != "" {
		question, ok := v.Form.question(ctx)
		if ok {
			answer, err := c.Planner.Plan(ctx, question)
			switch known, is := fault.As(err); {
			case err == nil:
				v.Plan = &answer
			case is && (known.Kind == fault.Invalid || known.Kind == fault.Conflict || known.Kind == fault.NotFound || known.Kind == fault.Upstream):
				v.Form.Problems[fieldOf(known)] = i18n.Message(ctx, known.Message)
			default:
				return err
			}
		}
		if v.Plan == nil {
			status = http.StatusUnprocessableEntity
		}
	}
	if err := c.simulatorChoices(ctx, &v); err != nil {
		return err
	}
	return c.render(w, r, status, simulatorPage(c.frame(r, ui.Models, i18n.T(ctx, "Routing simulator")), v))
}

// fieldOf is the field of the form that a failure is about: of what is not found, the model.
func fieldOf(f *fault.Error) string {
	if len(f.Path) > 0 {
		return f.Path[0]
	}
	return "model"
}

func readSimulatorForm(r *http.Request) simulatorForm {
	q := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f := simulatorForm{
		Model: text("model"), Key: text("key"), Strategy: text("strategy"), Caller: text("caller"),
		Prompt: text("promptTokens"), Output: text("maxOutputTokens"), Problems: problems{},
	}
	for need := range simulatorNeeds.All() {
		if q.Get(need.String()) == "on" {
			f.Needs |= need
		}
	}
	return f
}

// question reads the form; ok is false where it cannot be read, which is noted in it.
func (f *simulatorForm) question(ctx context.Context) (q plan.Question, ok bool) {
	q = plan.Question{Model: f.Model, Strategy: catalog.Strategy(f.Strategy), Needs: f.Needs, Dialect: f.Caller}
	if f.Strategy != "" && strategyOf(f.Strategy) == "" {
		f.Problems["strategy"] = i18n.T(ctx, "Choose a strategy from the list.")
	}
	if f.Key != "" {
		keyID, err := id.Parse[id.Key](f.Key)
		if err != nil {
			f.Problems["key"] = i18n.T(ctx, "Choose a key from the list.")
		}
		q.KeyID = &keyID
	}
	q.Prompt = f.tokens(ctx, "promptTokens", f.Prompt)
	q.Output = f.tokens(ctx, "maxOutputTokens", f.Output)
	return q, len(f.Problems) == 0
}

func (f *simulatorForm) tokens(ctx context.Context, field, text string) int64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		f.Problems[field] = i18n.T(ctx, "Enter a whole number, or leave it empty.")
	}
	return n
}

// strategyOf is the strategy of a name; empty is none.
func strategyOf(name string) catalog.Strategy {
	for _, s := range catalog.Strategies {
		if string(s) == name {
			return s
		}
	}
	return ""
}

// simulatorChoices reads what the form offers, and what the candidates are called.
func (c *console) simulatorChoices(ctx context.Context, v *simulatorView) error {
	active := true
	models, err := c.Models.List(ctx, catalog.Filter{Enabled: &active}, page.Args{First: page.MaxSize})
	if err != nil {
		return err
	}
	for _, m := range models.Items {
		v.Models = append(v.Models, m.Name)
	}
	keys, err := c.Keys.List(ctx, apikey.Filter{Active: &active}, page.Args{First: page.MaxSize})
	if err != nil {
		return err
	}
	v.Keys = keys.Items
	v.Named, err = c.planNames(ctx, v.Plan)
	return err
}

func (c *console) planNames(ctx context.Context, p *plan.Answer) (planNames, error) {
	n := planNames{Providers: map[id.Provider]provider.Provider{}, Keys: map[id.ProviderKey]provider.Key{}}
	if p == nil {
		return n, nil
	}
	seen := map[id.Provider]bool{}
	var ids []id.Provider
	for i := range p.Candidates {
		if one := p.Candidates[i].ProviderID; !seen[one] {
			seen[one] = true
			ids = append(ids, one)
		}
	}
	providers, err := c.Providers.ByIDs(ctx, ids)
	if err != nil {
		return n, err
	}
	for _, pr := range providers {
		n.Providers[pr.ID] = pr
	}
	keys, err := c.Providers.KeysOf(ctx, ids)
	if err != nil {
		return n, err
	}
	for _, list := range keys {
		for _, k := range list {
			n.Keys[k.ID] = k
		}
	}
	return n, nil
}

// simulatorOf is the address of the simulator for the call that a request was, as far as it is known.
func simulatorOf(req usage.Request) string {
	q := url.Values{"model": {req.Model}, "key": {req.KeyID.String()}, "caller": {req.Dialect}}
	if req.Plan != nil {
		q.Set("strategy", req.Plan.Strategy)
	}
	if n := req.Usage.TotalInput(); n > 0 {
		q.Set("promptTokens", strconv.FormatInt(n, 10))
	}
	if req.Streamed {
		q.Set(llm.NeedStreaming.String(), "on")
	}
	return "/simulator?" + q.Encode()
}
