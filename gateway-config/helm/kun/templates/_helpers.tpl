{{- define "kun.labels" -}}
app.kubernetes.io/name: kun-controller
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "kun.selector" -}}
app.kubernetes.io/name: kun-controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
