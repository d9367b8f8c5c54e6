{{- define "greensched.labels" -}}
app.kubernetes.io/name: greensched
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "greensched.selector" -}}
app.kubernetes.io/name: greensched
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "greensched.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* How every Pod of ours runs: as nobody, on a file system that cannot be written. */}}
{{- define "greensched.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "greensched.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Of what is not in a namespace: two releases of the same name may cover one namespace each. */}}
{{- define "greensched.clusterName" -}}
{{ .Release.Name }}{{ if eq .Values.scope "namespace" }}-{{ .Release.Namespace }}{{ end }}
{{- end }}
