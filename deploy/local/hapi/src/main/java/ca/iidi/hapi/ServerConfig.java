package ca.iidi.hapi;

import ca.uhn.fhir.batch2.jobs.bulkmodify.reindex.ReindexProvider;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.batch2.jobs.imprt.BulkDataImportProvider;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.IInterceptorService;
import ca.uhn.fhir.jpa.api.IDaoRegistry;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.config.util.ResourceCountCacheUtil;
import ca.uhn.fhir.jpa.dao.FulltextSearchSvcImpl;
import ca.uhn.fhir.jpa.dao.IFulltextSearchSvc;
import ca.uhn.fhir.jpa.dao.search.HSearchSortHelperImpl;
import ca.uhn.fhir.jpa.dao.search.IHSearchSortHelper;
import ca.uhn.fhir.jpa.interceptor.CascadingDeleteInterceptor;
import ca.uhn.fhir.jpa.interceptor.UserRequestRetryVersionConflictsInterceptor;
import ca.uhn.fhir.jpa.provider.DaoRegistryResourceSupportedSvc;
import ca.uhn.fhir.jpa.provider.DiffProvider;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.ValueSetOperationProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.search.IStaleSearchDeletingSvc;
import ca.uhn.fhir.jpa.search.StaleSearchDeletingSvcImpl;
import ca.uhn.fhir.jpa.util.ResourceCountCache;
import ca.uhn.fhir.rest.api.IResourceSupportedSvc;
import ca.uhn.fhir.rest.server.HardcodedServerAddressStrategy;
import ca.uhn.fhir.rest.server.IncomingRequestAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.RequestValidatingInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import ca.uhn.fhir.validation.IValidatorModule;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The FHIR servlet, and the beans that HAPI's own configuration leaves to the application. */
@Configuration
class ServerConfig {

    @Bean
    IFulltextSearchSvc fulltextSearch() {
        return new FulltextSearchSvcImpl();
    }

    @Bean
    IStaleSearchDeletingSvc staleSearchDeleting() {
        return new StaleSearchDeletingSvcImpl();
    }

    @Bean
    IHSearchSortHelper searchSortHelper(ISearchParamRegistry searchParams) {
        return new HSearchSortHelperImpl(searchParams);
    }

    @Bean
    IResourceSupportedSvc resourceSupported(IDaoRegistry daos) {
        return new DaoRegistryResourceSupportedSvc(daos);
    }

    @Bean
    DatabaseBackedPagingProvider pagingProvider(Settings settings) {
        DatabaseBackedPagingProvider paging = new DatabaseBackedPagingProvider();
        paging.setDefaultPageSize(settings.defaultPageSize());
        paging.setMaximumPageSize(settings.maxPageSize());
        return paging;
    }

    /** HAPI looks this bean up by name. */
    @Bean("myResourceCountsCache")
    ResourceCountCache resourceCounts(IFhirSystemDao<?, ?> systemDao) {
        return ResourceCountCacheUtil.newResourceCountCache(systemDao);
    }

    @Bean
    RestfulServer restfulServer(
            Settings settings, JpaStorageSettings storage, IFhirSystemDao<?, ?> systemDao,
            ResourceProviderFactory resources, IJpaSystemProvider system, ISearchParamRegistry searchParams,
            IValidationSupport validation, IValidatorModule validator, DatabaseBackedPagingProvider paging,
            ValueSetOperationProvider valueSets, ReindexProvider reindex, DiffProvider diff,
            BulkDataExportProvider bulkExport, BulkDataImportProvider bulkImport,
            IInterceptorService interceptors, CascadingDeleteInterceptor cascadingDelete) {
        RestfulServer server = new RestfulServer(systemDao.getContext());
        server.setServerName("iidi-hapi");
        server.setInterceptorService(interceptors); // one bus for the servlet and the JPA layer
        server.setServerConformanceProvider(
                new JpaCapabilityStatementProvider(server, systemDao, storage, searchParams, validation));
        server.setServerAddressStrategy(settings.serverAddress().isBlank()
                ? new IncomingRequestAddressStrategy()
                : new HardcodedServerAddressStrategy(settings.serverAddress()));
        server.setPagingProvider(paging);
        server.setDefaultPageSize(settings.defaultPageSize());
        server.setMaximumPageSize(settings.maxPageSize());
        server.registerProviders(resources.createProviders());
        server.registerProviders(system, valueSets, reindex, diff);
        if (settings.bulkExportEnabled()) {
            server.registerProvider(bulkExport);
        }
        if (settings.bulkImportEnabled()) {
            server.registerProvider(bulkImport);
        }
        if (settings.allowCascadingDeletes()) {
            server.registerInterceptor(cascadingDelete);
        }
        if (settings.userRequestRetryVersionConflictsInterceptorEnabled()) {
            server.registerInterceptor(new UserRequestRetryVersionConflictsInterceptor());
        }
        if (settings.validation().requestsEnabled()) {
            RequestValidatingInterceptor validating = new RequestValidatingInterceptor();
            validating.setFailOnSeverity(ResultSeverityEnum.ERROR);
            validating.addValidatorModule(validator);
            server.registerInterceptor(validating);
        }
        return server;
    }
}
