{{- define "kun.chart" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "kun.labels" -}}
app.kubernetes.io/name: kun-controller
{{ include "kun.chart" . }}
{{- end }}
{{- define "kun.selector" -}}
app.kubernetes.io/name: kun-controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "kun.dns64.labels" -}}
app.kubernetes.io/name: kun-dns64
{{ include "kun.chart" . }}
{{- end }}
{{- define "kun.dns64.selector" -}}
app.kubernetes.io/name: kun-dns64
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "kun.dns64.sum" -}}
{{ list .Values.dns64 .Values.clusterDomain .Release.Namespace | toJson | sha256sum | trunc 16 }}
{{- end }}
{{- define "kun.node.labels" -}}
app.kubernetes.io/name: kun-6to4
{{ include "kun.chart" . }}
{{- end }}
{{- define "kun.node.selector" -}}
app.kubernetes.io/name: kun-6to4
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
