package views

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/provider"
	"aihigress/views/i18n"
)

// spareRoutes is how many empty rows a form offers for new routes. More come with each save.
const spareRoutes = 3

// modelForm is a model as its form has it. A route with neither provider nor upstream name is an empty row.
type modelForm struct {
	Name, Description, Strategy string
	Unsupported                 string
	Enabled                     bool
	Routes                      []routeForm
	Providers                   []provider.Provider // to choose from
	Problems                    problems
}

type routeForm struct {
	Provider, UpstreamID, Weight, Priority string
	Enabled                                bool
}

// providerChoices are the providers that a route may lead to.
func (c *console) providerChoices(ctx context.Context) ([]provider.Provider, error) {
	list, err := c.Providers.List(ctx, provider.Filter{}, page.Args{First: page.MaxSize})
	return list.Items, err
}

func modelFormOf(m catalog.Model) modelForm {
	f := modelForm{Name: m.Name, Description: m.Description, Strategy: string(m.Strategy), Unsupported: string(m.Unsupported), Enabled: m.Enabled}
	for _, r := range m.Routes {
		f.Routes = append(f.Routes, routeForm{
			Provider: r.ProviderID.String(), UpstreamID: r.UpstreamID, Weight: strconv.Itoa(r.Weight),
			Priority: strconv.Itoa(r.Priority), Enabled: r.Enabled,
		})
	}
	return f
}

func readModelForm(r *http.Request) modelForm {
	f := modelForm{
		Name: strings.TrimSpace(r.PostFormValue("name")), Description: strings.TrimSpace(r.PostFormValue("description")),
		Strategy: r.PostFormValue("strategy"), Unsupported: r.PostFormValue("unsupportedFields"), Enabled: r.PostFormValue("enabled") == "on", Problems: problems{},
	}
	for i := 0; r.PostForm.Has("provider." + strconv.Itoa(i)); i++ {
		value := func(name string) string { return strings.TrimSpace(r.PostFormValue(name + "." + strconv.Itoa(i))) }
		f.Routes = append(f.Routes, routeForm{
			Provider: value("provider"), UpstreamID: value("upstream"), Weight: value("weight"), Priority: value("priority"),
			Enabled: value("enabled") == "on",
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
		out = append(out, catalog.RouteInput{
			ProviderID: providerID, UpstreamID: row.UpstreamID, Weight: &weight, Priority: priority, Disabled: !row.Enabled,
		})
	}
	f.Routes = kept
	return out
}
