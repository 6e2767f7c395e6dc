package graph

import (
	"context"
	"time"

	"aihigress/graph/model"
	"aihigress/internal/usage"
)

// dimensions are what metrics can be grouped by.
var dimensions = map[model.MetricDimension]usage.Dimension{
	model.MetricDimensionUser:     usage.ByUser,
	model.MetricDimensionAPIKey:   usage.ByKey,
	model.MetricDimensionProvider: usage.ByProvider,
	model.MetricDimensionModel:    usage.ByModel,
}

func (r *Resolver) metrics(ctx context.Context, span model.TimeRangeInput, step *time.Duration, by []model.MetricDimension, filter *model.MetricFilter) (*model.MetricSeriesSet, error) {
	in := usage.MetricsInput{From: span.From, To: time.Now(), Step: orZero(step), Filter: metricFilter(filter)}
	if span.To != nil {
		in.To = *span.To
	}
	for _, d := range by {
		in.GroupBy = append(in.GroupBy, dimensions[d])
	}
	set, err := r.domain.Reports.Metrics(ctx, in)
	if err != nil {
		return nil, err
	}
	shown := &model.MetricSeriesSet{From: set.From, To: set.To, Step: set.Step, Series: make([]model.MetricSeries, len(set.Series))}
	for i, s := range set.Series {
		shown.Series[i] = series(s, set.Costs)
	}
	return shown, nil
}

func series(s usage.Series, costs bool) model.MetricSeries {
	shown := model.MetricSeries{Other: s.Group.Other, Labels: labels(s.Group), Points: make([]model.MetricPoint, len(s.Points))}
	for i, p := range s.Points {
		shown.Points[i] = model.MetricPoint{
			At: p.At, Requests: p.Requests, Errors: p.Errors, Refused: p.Refused, Unpriced: p.Unpriced,
			InputTokens: p.Input + p.CachedInput + p.CacheWrite, OutputTokens: p.Output, Charge: p.Charge,
			P50: filled(p.Duration.P50), P95: filled(p.Duration.P95), P99: filled(p.Duration.P99),
			TimeToFirstTokenP50: filled(p.FirstToken.P50), TimeToFirstTokenP95: filled(p.FirstToken.P95),
		}
		if costs {
			shown.Points[i].Cost = &p.Cost
		}
	}
	return shown
}

// labels name a group in the order of the schema's dimensions.
func labels(g usage.Group) []model.MetricLabel {
	list := []model.MetricLabel{}
	add := func(d model.MetricDimension, value string) {
		list = append(list, model.MetricLabel{Dimension: d, Value: value})
	}
	if g.UserID != nil {
		add(model.MetricDimensionUser, g.UserID.String())
	}
	if g.KeyID != nil {
		add(model.MetricDimensionAPIKey, g.KeyID.String())
	}
	switch {
	case g.ProviderID == nil:
	case g.ProviderID.IsZero():
		add(model.MetricDimensionProvider, "")
	default:
		add(model.MetricDimensionProvider, g.ProviderID.String())
	}
	if g.Model != nil {
		add(model.MetricDimensionModel, *g.Model)
	}
	return list
}
