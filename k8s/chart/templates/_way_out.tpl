{{/*
Account, rights and binding of what lets Jobs run and ends. `.root` is the chart's, `.name` that of
all of them, `.annotations` theirs.
*/}}
{{- define "greensched.wayOutRights" -}}
{{- $cluster := eq .root.Values.scope "cluster" -}}
{{- $clusterName := printf "%s%s" (include "greensched.clusterName" .root) (trimPrefix .root.Release.Name .name) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "greensched.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $clusterName }}
  labels: {{- include "greensched.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  - {apiGroups: [greensched.io], resources: [carbonpolicies], verbs: [list]}
  {{- if $cluster }}
  {{- include "greensched.wayOutRules" . | nindent 2 }}
  {{- else }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "greensched.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  {{- include "greensched.wayOutRules" . | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "greensched.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }}}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $clusterName }}
  labels: {{- include "greensched.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $clusterName }}}
subjects:
  - {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }}}
{{- end }}

{{- define "greensched.wayOutRules" -}}
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, patch]}
- {apiGroups: [batch], resources: [cronjobs], verbs: [get]}
- {apiGroups: [greensched.io], resources: [deferrals], verbs: [list]}
{{- end }}

{{/* Its Pod; `.command` is release-overdue or release-all, `.name` its account. */}}
{{- define "greensched.wayOutPod" -}}
serviceAccountName: {{ .name }}
restartPolicy: Never
securityContext: {{- include "greensched.podSecurity" .root | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .command }}
    image: {{ include "greensched.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      - controller
      - {{ .command }}
      {{- if eq .command "release-all" }}
      - --yes
      {{- end }}
      {{- if eq .root.Values.scope "namespace" }}
      - --namespace=$(POD_NAMESPACE)
      {{- end }}
    env:
      - name: POD_NAMESPACE
        valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    securityContext: {{- include "greensched.containerSecurity" .root | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 128Mi}
      limits: {memory: 512Mi}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
volumes:
  - {name: tmp, emptyDir: {}}
{{- end }}
